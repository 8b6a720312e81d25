/* One metric, as a reader wants it: a place, a breakdown, then a sentence, a chart, a table and what is missing. */
(function () {
  "use strict";
  var facts = JSON.parse(document.getElementById("facts").textContent);
  var chosen = { place: document.getElementById("place"), breakdown: document.getElementById("breakdown"), category: document.getElementById("category") };
  var blue = "#005eb8", ink = "#212b32", quiet = "#425563";
  var isShare = facts.unit === "share";

  function number(value) {
    if (value === null) return "not shown";
    if (!isShare) return value.toFixed(1);
    var part = 100 * value;
    if (part > 0 && part < 0.1) return "under 0.1%";
    if (part > 99.9 && part < 100) return "over 99.9%";
    return (part === 0 || part === 100 ? part.toFixed(0) : part.toFixed(1)) + "%";
  }
  function count(value) { return value === null ? "–" : value.toLocaleString("en-GB"); }
  function difference(row, all) {
    if (row.value === null || all === null) return "not shown";
    var gap = isShare ? (100 * (row.value - all)).toFixed(1) + " points" : (row.value - all).toFixed(1);
    if (row.apart === null) return "–";
    return (row.value > all ? "+" : "") + gap.replace("-", "−") + (row.apart ? ", more than chance" : ", could be chance");
  }
  function sinceThen(row) {
    if (row.change === null) return row.value === null ? "not shown" : "nothing to compare with";
    var moved = isShare ? (100 * row.change).toFixed(1) + " points" : row.change.toFixed(1);
    return number(row.before) + " (" + (row.change > 0 ? "+" : "") + moved.replace("-", "−") + (row.changed ? ", more than chance)" : ", could be chance)");
  }
  function words(list) {
    return list.length < 2 ? list.join("") : list.slice(0, -1).join(", ") + " and " + list[list.length - 1];
  }
  function element(name, text, attributes) {
    var made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    Object.keys(attributes || {}).forEach(function (key) { made.setAttribute(key, attributes[key]); });
    return made;
  }
  function options(select, listed, wanted) {
    select.textContent = "";
    var groups = {};
    listed.forEach(function (one) {
      var option = element("option", one.words, { value: one.value });
      if (!one.group) { select.appendChild(option); return; }
      if (!groups[one.group]) { groups[one.group] = element("optgroup", undefined, { label: one.group }); select.appendChild(groups[one.group]); }
      groups[one.group].appendChild(option);
    });
    if (listed.some(function (one) { return String(one.value) === String(wanted); })) select.value = wanted;
  }
  function rowsOf(place, breakdown) {
    return facts.rows.filter(function (row) { return row[0] === place && row[1] === breakdown; }).map(function (row) {
      return { category: row[2], label: facts.categories[row[2]], n: row[3], of: row[4], value: row[5], low: row[6], high: row[7], apart: row[8], before: row[9], change: row[10], changed: row[11] };
    });
  }
  function everyone(place) {
    var row = rowsOf(place, 0)[0];
    return row || { value: null, low: null, high: null, n: null, of: null };
  }
  function drawn(where, plot, label) {
    // One picture with one name: what its parts are called says nothing to anybody.
    plot.querySelectorAll("[aria-label]").forEach(function (part) { part.removeAttribute("aria-label"); });
    plot.setAttribute("role", "img");
    plot.setAttribute("aria-label", label);
    where.textContent = "";
    where.appendChild(plot);
  }
  function width(where) { return Math.max(280, Math.min(720, where.clientWidth || 640)); }
  function nothing(where, text) { where.textContent = ""; where.appendChild(element("p", text)); }

  function table(where, caption, heads, lines) {
    var made = element("table"), head = element("tr");
    made.appendChild(element("caption", caption));
    heads.forEach(function (text, place) { head.appendChild(element("th", text, { scope: "col", "class": place ? "n" : "wide" })); });
    made.appendChild(element("thead")).appendChild(head);
    var body = made.appendChild(element("tbody"));
    lines.forEach(function (line) {
      var row = body.appendChild(element("tr"));
      line.forEach(function (text, place) { row.appendChild(place ? element("td", text, { "class": "n" }) : element("th", text, { scope: "row" })); });
    });
    where.textContent = "";
    where.appendChild(made);
  }

  // Groups of one place: what is told, and the same numbers as a chart and as a table.
  function showGroups() {
    var place = +chosen.place.value, breakdown = +chosen.breakdown.value;
    var rows = rowsOf(place, breakdown), all = everyone(place);
    var shown = rows.filter(function (row) { return row.value !== null; });
    var hidden = rows.length - shown.length;
    var name = facts.places[place][2], by = facts.breakdowns[breakdown].toLowerCase();
    var said = [];
    said.push(all.value === null ? "For everyone in " + name + " no number can be shown." : "In " + name + ", " + facts.period + ": " + number(all.value) + facts.per + (all.low === null ? "" : " (" + number(all.low) + " to " + number(all.high) + ")") + ", of " + count(all.of) + " " + facts.base + ".");
    if (breakdown !== 0 && shown.length > 1) {
      var sorted = shown.slice().sort(function (a, b) { return a.value - b.value; });
      var last = sorted[sorted.length - 1];
      said.push("By " + by + " it lies between " + number(sorted[0].value) + " (" + sorted[0].label + ") and " + number(last.value) + " (" + last.label + ").");
      var apart = shown.filter(function (row) { return row.apart; });
      said.push(apart.length ? "More than chance apart from everyone there: " + words(apart.slice(0, 8).map(function (row) { return row.label + (row.value > all.value ? " (higher)" : " (lower)"); })) + (apart.length > 8 ? " and " + (apart.length - 8) + " more" : "") + "." : "No group is told apart from everyone there by more than chance.");
      said.push(facts.direction === "neither" ? "" : "Here " + facts.direction + ".");
    }
    document.getElementById("said").textContent = said.join(" ");
    document.getElementById("hidden").textContent = !rows.length ? "Nothing is published by " + by + " for " + name + "." : hidden ? hidden + " of " + rows.length + " numbers are hidden: few people stand behind them, or behind what would be left over. Hidden is not zero." : "No number of this table is hidden.";
    var figure = document.getElementById("groups");
    if (shown.length) {
      var longest = Math.max.apply(null, shown.map(function (row) { return row.label.length; }));
      var wide = width(figure), margin = Math.min(wide * 0.45, 8 + longest * 6);
      var room = Math.floor((margin - 8) / 6);
      var labels = {}, taken = {};
      shown.forEach(function (row) { var text = row.label.length > room ? row.label.slice(0, room - 1) + "…" : row.label; while (taken[text]) text += " "; taken[text] = true; labels[row.category] = text; });
      drawn(figure, Plot.plot({
        width: wide, height: 60 + 24 * shown.length, marginLeft: margin, marginRight: 16, style: { background: "#fff", color: ink, fontSize: "12px" },
        x: { label: facts.axis, tickFormat: isShare ? function (value) { return Math.round(1000 * value) / 10 + "%"; } : undefined, grid: true, nice: true, zero: !isShare },
        y: { label: null, domain: shown.map(function (row) { return labels[row.category]; }) },
        marks: [
          all.value === null ? null : Plot.ruleX([all.value], { stroke: ink, strokeDasharray: "4 3" }),
          Plot.ruleY(shown, { x1: "low", x2: "high", y: function (row) { return labels[row.category]; }, stroke: blue, strokeWidth: 2 }),
          Plot.dot(shown, { x: "value", y: function (row) { return labels[row.category]; }, fill: blue, r: 4 })
        ]
      }), facts.title + " by " + by + " in " + name + ": the same numbers stand in the table below");
    } else nothing(figure, "There is nothing to draw: no number is shown.");
    table(document.getElementById("groups-table"), facts.title + " by " + by + ", " + name + ", " + facts.period,
      [facts.breakdowns[breakdown], facts.axis, "95% interval", facts.counted, "Difference from everyone"].concat(facts.has_before ? ["Twelve months before"] : []),
      rows.map(function (row) {
        return [row.label, number(row.value), row.value === null || row.low === null ? "–" : number(row.low) + " to " + number(row.high), row.n === null ? "–" : count(row.n) + " of " + count(row.of), breakdown === 0 ? "–" : difference(row, all.value)].concat(facts.has_before ? [sinceThen(row)] : []);
      }));
    download(rows, name, by);
  }

  function download(rows, name, by) {
    var lines = [["metric", "period", "place", "breakdown", "category", "numerator", "denominator", "value", "value_low", "value_high"]];
    rows.forEach(function (row) { lines.push([facts.metric, facts.period_code, name, by, row.label, row.n, row.of, row.value, row.low, row.high]); });
    var text = lines.map(function (line) { return line.map(function (cell) { return cell === null ? "" : '"' + String(cell).replace(/"/g, '""') + '"'; }).join(","); }).join("\r\n");
    document.getElementById("download").href = "data:text/csv;charset=utf-8," + encodeURIComponent("\ufeff" + text + "\r\n");
  }

  // The course over time of one group, with the limits within which it moves by chance alone.
  function showCourse() {
    var place = +chosen.place.value, who = chosen.category.value.split(":"), breakdown = +who[0], category = +who[1];
    var found = facts.series.filter(function (one) { return one[0] === place && one[1] === breakdown && one[2] === category; })[0];
    var figure = document.getElementById("course"), said = document.getElementById("course-said");
    var held = document.getElementById("course-table");
    if (!found) {
      said.textContent = facts.series.length ? "No course over time is published for this place and group: look at the Midlands or an integrated care board, and at everyone or an ethnic group." : "This metric is published for one period only.";
      figure.textContent = ""; held.textContent = "";
      return;
    }
    var points = found[3].map(function (one, place) { return { place: place, label: one[0], value: one[1] }; });
    var shown = points.filter(function (one) { return one.value !== null; });
    var limits = found[4], label = facts.categories[category];
    said.textContent = found[5];
    if (!shown.length) { figure.textContent = ""; held.textContent = ""; return; }
    var step = Math.ceil(points.length / (width(figure) < 500 ? 4 : 8));
    drawn(figure, Plot.plot({
      width: width(figure), height: 260, marginLeft: 56, style: { background: "#fff", color: ink, fontSize: "12px" },
      x: { label: null, type: "point", domain: points.map(function (one) { return one.label; }), tickFormat: function (text, place) { return place % step ? "" : text; } },
      y: { label: facts.axis, grid: true, nice: true, tickFormat: isShare ? function (value) { return Math.round(1000 * value) / 10 + "%"; } : undefined },
      marks: [
        limits[0] === null ? null : Plot.ruleY([limits[0]], { stroke: ink }),
        limits[1] === null ? null : Plot.ruleY([limits[1], limits[2]], { stroke: quiet, strokeDasharray: "4 3" }),
        Plot.line(points, { x: "label", y: "value", stroke: blue, strokeWidth: 2 }),
        Plot.dot(shown, { x: "label", y: "value", fill: blue, r: 3 })
      ]
    }), facts.title + ", " + label + ", " + facts.places[place][2] + ", month by month: the same numbers stand in the table below");
    table(held, facts.title + ", " + label + ", " + facts.places[place][2], ["Month", facts.axis], points.map(function (one) { return [one.label, number(one.value)]; }));
  }

  // The same number for each integrated care board, as tiles that lie where the places lie.
  function showMap() {
    var figure = document.getElementById("map");
    if (!figure) return;
    var tiles = facts.tiles.map(function (tile) { return { place: tile[0], row: tile[1], col: tile[2], name: tile[3], value: everyone(tile[0]).value }; });
    var shown = tiles.filter(function (tile) { return tile.value !== null; });
    var wide = width(figure);
    drawn(figure, Plot.plot({
      width: wide, height: Math.round(wide * 0.55), margin: 2, style: { background: "#fff", color: ink, fontSize: wide < 480 ? "9px" : "12px" },
      x: { axis: null, padding: 0.04 }, y: { axis: null, padding: 0.06 },
      color: { type: "linear", range: ["#ffffff", "#8fc1ee"], domain: d3.extent(shown, function (tile) { return tile.value; }) },
      marks: [
        Plot.cell(tiles, { x: "col", y: "row", fill: "#fff", stroke: quiet }),
        Plot.cell(shown, { x: "col", y: "row", fill: "value", stroke: quiet }),
        Plot.text(tiles, { x: "col", y: "row", text: function (tile) { return tile.name + "\n" + number(tile.value); }, fill: ink, lineWidth: 9 })
      ]
    }), facts.title + " by integrated care board: the same numbers stand in the table below");
    table(document.getElementById("map-table"), facts.title + " by integrated care board of residence, " + facts.period, ["Integrated care board", facts.axis, "95% interval"],
      facts.tiles.map(function (tile) { var all = everyone(tile[0]); return [facts.places[tile[0]][2], number(all.value), all.low === null ? "–" : number(all.low) + " to " + number(all.high)]; }));
  }

  function offerCategories() {
    var breakdown = +chosen.breakdown.value, place = +chosen.place.value, before = chosen.category.value;
    var offered = [0].concat(breakdown === 0 ? [] : [breakdown]);
    options(chosen.category, [].concat.apply([], offered.map(function (by) {
      return rowsOf(place, by).map(function (row) { return { value: by + ":" + row.category, words: row.label }; });
    })), before);
  }
  function offerBreakdowns() {
    var place = +chosen.place.value, before = chosen.breakdown.value, there = {};
    facts.rows.forEach(function (row) { if (row[0] === place) there[row[1]] = true; });
    options(chosen.breakdown, facts.breakdowns.map(function (text, no) { return { value: no, words: text }; }).filter(function (one) { return there[one.value]; }), before);
  }
  function remember() {
    try { history.replaceState(null, "", "#" + [chosen.place.value, chosen.breakdown.value].join("-")); } catch (error) { /* a page from disk may not */ }
  }
  function show() { offerCategories(); showGroups(); showCourse(); remember(); }

  options(chosen.place, facts.places.map(function (place, no) { return { value: no, words: place[2].charAt(0).toUpperCase() + place[2].slice(1), group: place[0] }; }), 0);
  var asked = /^#(\d+)-(\d+)$/.exec(location.hash);
  if (asked && facts.places[asked[1]]) chosen.place.value = asked[1];
  offerBreakdowns();
  chosen.breakdown.value = asked && facts.breakdowns[asked[2]] ? asked[2] : facts.start;
  if (chosen.breakdown.selectedIndex < 0) chosen.breakdown.selectedIndex = 0;
  document.getElementById("explorer").hidden = false;
  document.getElementById("plain").hidden = true;
  show();
  showMap();
  chosen.place.addEventListener("change", function () { offerBreakdowns(); show(); });
  chosen.breakdown.addEventListener("change", show);
  chosen.category.addEventListener("change", showCourse);
  var waiting;
  addEventListener("resize", function () { clearTimeout(waiting); waiting = setTimeout(function () { showGroups(); showCourse(); showMap(); }, 150); });
})();
