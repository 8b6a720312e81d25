(function () {
  "use strict";
  var form = document.getElementById("search");
  var input = document.getElementById("search-words");
  var said = document.getElementById("search-said");
  var list = document.getElementById("search-results");
  var most = 30;

  function plain(text) {
    return text.normalize("NFD").replace(/[\u0300-\u036f]/g, "").toLowerCase();
  }

  var entries = JSON.parse(document.getElementById("search-index").textContent).map(function (entry) {
    return { words: entry[0], where: entry[1], href: entry[2], rank: entry[3], title: plain(entry[0]).replace(/["“”]/g, ""), all: plain(entry[0] + " " + entry[1] + " " + (entry[4] || "")) };
  });

  // The lower, the better: the whole title, its beginning, the beginning of a word in it, anywhere.
  function place(entry, wanted, words) {
    if (!words.every(function (word) { return entry.all.indexOf(word) >= 0; })) return -1;
    if (entry.title === wanted) return 0;
    if (entry.title.indexOf(wanted) === 0) return 1;
    return (" " + entry.title).indexOf(" " + words[0]) >= 0 ? 2 : 3;
  }

  function find() {
    var wanted = plain(input.value).trim();
    list.textContent = "";
    if (wanted.length < 2) { said.textContent = ""; return; }
    var words = wanted.split(/\s+/);
    var found = [];
    entries.forEach(function (entry, order) {
      var rank = place(entry, wanted, words);
      if (rank >= 0) found.push([entry.rank, rank, entry.title.length, order, entry]);
    });
    found.sort(function (a, b) { return a[0] - b[0] || a[1] - b[1] || a[2] - b[2] || a[3] - b[3]; });
    found.slice(0, most).forEach(function (item) {
      var line = document.createElement("li");
      var link = document.createElement("a");
      var where = document.createElement("span");
      link.href = item[4].href;
      link.textContent = item[4].words;
      where.className = "quiet small";
      where.textContent = " " + item[4].where;
      line.appendChild(link);
      line.appendChild(where);
      list.appendChild(line);
    });
    var n = found.length;
    var count = n === 0 ? "Nothing found" : n === 1 ? "1 result" : n + " results";
    said.textContent = count + " for “" + input.value.trim() + "”" + (n > most ? ". The first " + most + " are shown." : ".");
  }

  function move(event) {
    var links = Array.prototype.slice.call(list.querySelectorAll("a"));
    var at = links.indexOf(document.activeElement);
    if (event.key === "ArrowDown" && links[at + 1]) { links[at + 1].focus(); event.preventDefault(); }
    if (event.key === "ArrowUp" && at >= 0) { (at === 0 ? input : links[at - 1]).focus(); event.preventDefault(); }
  }

  input.addEventListener("input", find);
  form.addEventListener("keydown", move);
  form.addEventListener("submit", function (event) {
    event.preventDefault();
    find();
    var first = list.querySelector("a");
    if (first) first.focus();
  });
  form.hidden = false;
  if (input.value) find();
})();
