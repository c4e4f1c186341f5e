(function () {
  "use strict";
  document.documentElement.classList.add("js");
  var $ = function (id) { return document.getElementById(id); };

  // One class picked out of the map of features.
  var pick = $("map-pick");
  if (pick) {
    var map = document.querySelector("#fig-feature-map svg");
    pick.addEventListener("change", function () {
      map.classList.toggle("picked", pick.value !== "");
      map.querySelectorAll("g[data-class]").forEach(function (g) { g.classList.toggle("on", g.dataset.class === pick.value); });
    });
  }

  var source = $("graph-data"), svg = document.querySelector("svg.graph");
  if (!source || !svg) return;
  var data = JSON.parse(source.textContent), nodes = data.nodes, panel = $("cg-panel");
  var full = svg.viewBox.baseVal.width, room = full / 2, view = { x: 0, y: 0, w: full }, chosen = -1;
  var marks = {}, names = {};
  svg.querySelectorAll("#cg-nodes .n").forEach(function (e) { marks[e.dataset.i] = e; });
  svg.querySelectorAll("#cg-labels .name").forEach(function (e) { names[e.dataset.i] = e; });
  var titled = function (i) { var n = nodes[i]; return n.l && n.l !== n.n ? n.n + " (" + n.l + ")" : n.n; };

  // Who else has the same axiom: the classes that share an attribute.
  var sharers = {};
  nodes.forEach(function (n, i) {
    (n.a || []).forEach(function (a) { (sharers[a[0] + ":" + a[1]] = sharers[a[0] + ":" + a[1]] || []).push(i); });
  });

  // Marks and names keep about the same size on the screen; a name is shown when there is room for it.
  function scale() { return svg.clientWidth ? Math.min(svg.clientWidth, svg.clientHeight) / view.w : 1; }
  var leafCount = nodes.length;
  function draw() {
    svg.setAttribute("viewBox", view.x + " " + view.y + " " + view.w + " " + view.w);
    var k = scale(), gap = 12 * k;
    Object.keys(names).forEach(function (i) {
      var e = names[i], leaves = +e.dataset.leaves || 0, inner = leaves > 0, on = e.classList.contains("on");
      var size = inner ? Math.max(9.5, 11.5 / k) : on ? Math.max(9.5, 12 / k) : Math.min(9.5, 15 / k);
      var room1 = inner ? (leaves || 1) * gap : gap;
      e.style.fontSize = size + "px";
      e.classList.toggle("hide", !on && (inner ? room1 < 13 : room1 < 6.2));
      e.setAttribute("x", (e.getAttribute("text-anchor") === "end" ? -1 : 1) * (5 + 2.5 * Math.max(1, 1 / k)));
      e.setAttribute("y", size * 0.33);
    });
    svg.style.setProperty("--dot", Math.max(4, Math.min(11, 9 * k)) + "px");
  }
  function clamp() {
    view.w = Math.max(90, Math.min(full * 1.15, view.w));
    view.x = Math.max(-view.w * 0.6, Math.min(full - view.w * 0.4, view.x));
    view.y = Math.max(-view.w * 0.6, Math.min(full - view.w * 0.4, view.y));
  }
  function zoom(factor, cx, cy) {
    if (cx === undefined) { cx = view.x + view.w / 2; cy = view.y + view.w / 2; }
    var w = Math.max(90, Math.min(full * 1.15, view.w * factor)), f = w / view.w;
    view = { x: cx - (cx - view.x) * f, y: cy - (cy - view.y) * f, w: w };
    clamp(); draw();
  }
  function point(event) {
    var m = svg.getScreenCTM().inverse(), p = svg.createSVGPoint();
    p.x = event.clientX; p.y = event.clientY;
    return p.matrixTransform(m);
  }
  svg.addEventListener("wheel", function (event) {
    if (!event.ctrlKey && !event.metaKey && document.activeElement !== svg) return;
    event.preventDefault();
    var p = point(event);
    zoom(Math.exp(Math.max(-60, Math.min(60, event.deltaY)) * 0.004), p.x, p.y);
  }, { passive: false });

  var fingers = {}, moved = 0, pinch = 0;
  svg.addEventListener("pointerdown", function (event) {
    fingers[event.pointerId] = event; moved = 0;
    if (event.pointerType === "mouse") svg.classList.add("drag");
  });
  window.addEventListener("pointermove", function (event) {
    var last = fingers[event.pointerId];
    if (!last) return;
    var ids = Object.keys(fingers), k = scale();
    if (ids.length === 1 && event.pointerType === "mouse") {
      moved += Math.abs(event.clientX - last.clientX) + Math.abs(event.clientY - last.clientY);
      view.x -= (event.clientX - last.clientX) / k; view.y -= (event.clientY - last.clientY) / k;
      clamp(); draw();
    } else if (ids.length === 2) {
      moved = 99;
      var other = fingers[ids[0] === String(event.pointerId) ? ids[1] : ids[0]];
      var apart = Math.hypot(event.clientX - other.clientX, event.clientY - other.clientY);
      view.x -= (event.clientX - last.clientX) / 2 / k; view.y -= (event.clientY - last.clientY) / 2 / k;
      if (pinch) { var p = point(other); zoom(pinch / apart, p.x, p.y); }
      pinch = apart; clamp(); draw();
    }
    fingers[event.pointerId] = event;
  });
  ["pointerup", "pointercancel"].forEach(function (kind) {
    window.addEventListener(kind, function (event) { delete fingers[event.pointerId]; pinch = 0; svg.classList.remove("drag"); });
  });
  svg.addEventListener("click", function (event) {
    if (moved > 6) return;
    var best = -1, p = point(event), reach = Math.pow(16 / scale(), 2);
    nodes.forEach(function (n, i) {
      var d = Math.pow(n.x + room - p.x, 2) + Math.pow(n.y + room - p.y, 2);
      if (d < reach) { reach = d; best = i; }
    });
    choose(best, false);
  });
  svg.setAttribute("tabindex", "0");
  svg.addEventListener("keydown", function (event) {
    var step = view.w * 0.12, done = true;
    if (event.key === "+" || event.key === "=") zoom(0.75);
    else if (event.key === "-") zoom(1 / 0.75);
    else if (event.key === "0") reset();
    else if (event.key === "Escape") choose(-1);
    else if (event.key === "ArrowLeft") { view.x -= step; clamp(); draw(); }
    else if (event.key === "ArrowRight") { view.x += step; clamp(); draw(); }
    else if (event.key === "ArrowUp") { view.y -= step; clamp(); draw(); }
    else if (event.key === "ArrowDown") { view.y += step; clamp(); draw(); }
    else done = false;
    if (done) event.preventDefault();
  });
  function reset() { view = { x: 0, y: 0, w: full }; draw(); }
  // On paper the whole graph, its names as far from the marks as they are drawn; then where one was.
  var before = null;
  window.addEventListener("beforeprint", function () {
    before = view; reset();
    Object.keys(names).forEach(function (i) { names[i].setAttribute("x", names[i].getAttribute("text-anchor") === "end" ? -8 : 8); });
  });
  window.addEventListener("afterprint", function () { if (before) { view = before; before = null; draw(); } });
  $("cg-in").addEventListener("click", function () { zoom(0.6); });
  $("cg-out").addEventListener("click", function () { zoom(1 / 0.6); });
  $("cg-reset").addEventListener("click", reset);

  function element(tag, text, css) { var e = document.createElement(tag); if (text) e.textContent = text; if (css) e.className = css; return e; }
  function link(i) {
    var b = element("button", titled(i));
    b.type = "button";
    b.addEventListener("click", function () { choose(i, true); });
    return b;
  }
  function list(title, items) {
    if (!items.length) return;
    panel.appendChild(element("h4", title));
    var ul = element("ul");
    items.forEach(function (item) { var li = element("li"); item.forEach(function (part) { li.append(part); }); ul.appendChild(li); });
    panel.appendChild(ul);
  }
  function meter(share) { var m = element("span", "", "meter"), i = element("i"); i.style.width = Math.round(100 * share) + "%"; m.appendChild(i); return m; }
  function arc(a, b, css) {
    var p = document.createElementNS("http://www.w3.org/2000/svg", "path"), s = nodes[a], t = nodes[b], pull = 0.35;
    p.setAttribute("class", css);
    p.setAttribute("d", "M" + (s.x + room) + " " + (s.y + room) + "Q" + ((s.x + t.x) / 2 * pull + room) + " " + ((s.y + t.y) / 2 * pull + room) + " " + (t.x + room) + " " + (t.y + room));
    $("cg-extra").appendChild(p);
  }
  function choose(i, move) {
    $("cg-extra").textContent = "";
    svg.querySelectorAll(".on").forEach(function (e) { e.classList.remove("on"); });
    svg.classList.toggle("focus", i >= 0);
    chosen = i;
    if (i < 0) { panel.textContent = ""; panel.appendChild(element("p", "Choose a class in the drawing or by its name to see what the graph says of it.", "note")); draw(); return; }
    var n = nodes[i], lit = [i];
    (n.a || []).forEach(function (a) { if (a[1] >= 0) { arc(i, a[1], "tie"); lit.push(a[1]); } });
    (n.p || []).forEach(function (p) { arc(i, p[0], "tie near"); lit.push(p[0]); });
    var ring = document.createElementNS("http://www.w3.org/2000/svg", "circle");
    ring.setAttribute("class", "ring"); ring.setAttribute("cx", n.x + room); ring.setAttribute("cy", n.y + room); ring.setAttribute("r", 9);
    $("cg-extra").appendChild(ring);
    lit.forEach(function (j) { [marks[j], names[j]].forEach(function (e) { if (e) e.classList.add("on"); }); });

    panel.textContent = "";
    panel.appendChild(element("h3", titled(i)));
    panel.appendChild(element("p", ["an ancestor", "seen in training", "unseen: no example in training"][n.s], "note"));
    panel.appendChild(element("p", n.i, "iri"));
    if (n.t) panel.appendChild(element("p", n.t));
    if (n.v !== undefined) list(data.score, [[meter(data.whole ? n.v / data.whole : n.v), String(n.v)]]);
    list("What the graph says", (n.a || []).map(function (a) {
      var also = sharers[a[0] + ":" + a[1]].length - 1;
      return [data.relations[a[0]] + " ", a[1] >= 0 ? link(a[1]) : data.others[-1 - a[1]], also ? element("span", "  · " + also + " others", "note") : ""];
    }));
    list("Nearest seen classes by class vector", (n.p || []).map(function (p) { return [meter(Math.max(0, p[1])), p[1].toFixed(2) + " ", link(p[0])]; }));
    list("Taken for", (n.e || []).map(function (e) { return [meter(e[1]), Math.round(100 * e[1]) + " % ", e[0]]; }));
    if (move && view.w > full * 0.5) view.w = Math.min(full * 0.5, Math.max(420, full * 0.3));
    if (move) { view.x = n.x + room - view.w / 2; view.y = n.y + room - view.w / 2; clamp(); }
    draw();
  }
  var find = $("cg-find"), options = $("cg-names"), by = {};
  nodes.forEach(function (n, i) {
    [titled(i), n.n, n.l].forEach(function (t) { if (t && by[t.toLowerCase()] === undefined) by[t.toLowerCase()] = i; });
    if (n.s) { var o = element("option"); o.value = titled(i); options.appendChild(o); }
  });
  function seek() {
    var q = find.value.trim().toLowerCase();
    if (!q) return choose(-1);
    var i = by[q];
    if (i === undefined) i = nodes.findIndex(function (n, j) { return titled(j).toLowerCase().indexOf(q) >= 0; });
    if (i >= 0) choose(i, true); else { choose(-1); panel.firstChild.textContent = "No class is called “" + find.value + "”."; }
  }
  find.addEventListener("change", seek);
  find.addEventListener("keydown", function (event) { if (event.key === "Enter") { event.preventDefault(); seek(); } });
  new ResizeObserver(draw).observe(svg);
  choose(-1);
})();
