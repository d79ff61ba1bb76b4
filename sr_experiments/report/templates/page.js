"use strict";
// Everything was computed before: this sorts, chooses and moves.
const data = JSON.parse(document.getElementById("data").textContent);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

function fill(select, entries, chosen) {
  select.replaceChildren(...entries.map(([value, text]) => new Option(text, value, false, String(value) === String(chosen))));
}

// ---- sorting: numbers by size, words by the alphabet, what is missing last

function order(row, column) {
  const cell = row.cells[column];
  return cell.dataset.order ?? cell.textContent;
}

function compare(a, b, sign) {
  if (a === "" || b === "") return (a === "") - (b === "");
  const [x, y] = [Number(a), Number(b)];
  const numbers = !Number.isNaN(x) && !Number.isNaN(y);
  return sign * (numbers ? x - y : a.localeCompare(b));
}

for (const table of all("table.sortable")) {
  for (const button of all("thead button", table)) {
    button.addEventListener("click", () => {
      const head = button.closest("th");
      const first = head.classList.contains("number") ? "descending" : "ascending";
      const other = first === "ascending" ? "descending" : "ascending";
      const way = head.ariaSort === first ? other : first;
      for (const one of all("thead th", table)) one.ariaSort = "none";
      head.ariaSort = way;
      const [body, sign] = [table.tBodies[0], way === "ascending" ? 1 : -1];
      const rows = [...body.rows];
      rows.sort((a, b) => compare(order(a, head.cellIndex), order(b, head.cellIndex), sign));
      body.append(...rows);
    });
  }
}

// ---- tables that go on beyond an edge say so there

for (const box of all(".wide")) {
  const hint = () => {
    const beyond = {
      left: box.scrollLeft,
      right: box.scrollWidth - box.clientWidth - box.scrollLeft,
      bottom: box.scrollHeight - box.clientHeight - box.scrollTop,
    };
    for (const [edge, pixels] of Object.entries(beyond)) box.style.setProperty(`--beyond-${edge}`, `${pixels > 1 ? 48 : 0}px`);
  };
  box.addEventListener("scroll", hint, { passive: true });
  new ResizeObserver(hint).observe(box);
}

// ---- two configurations: the sentence, and a dot per image

function draw(figure, metric, images, a, b) {
  figure.innerHTML = metric.svg ?? "";
  const svg = figure.querySelector("svg");
  if (!svg || !metric.at[a] || !metric.at[b]) return;
  const [left, top, width, height] = metric.square;
  images.forEach((name, i) => {
    const dot = document.createElementNS(svg.namespaceURI, "circle");
    const title = document.createElementNS(svg.namespaceURI, "title");
    title.textContent = `${name}: A ${metric.text[a][i]}, B ${metric.text[b][i]}`;
    dot.setAttribute("class", "dot");
    dot.setAttribute("r", images.length > 60 ? 2.5 : 3.5);
    dot.setAttribute("cx", left + width * metric.at[a][i]);
    dot.setAttribute("cy", top + height * (1 - metric.at[b][i]));
    dot.append(title);
    svg.append(dot);
  });
}

function highlight(a, b) {
  for (const line of all("[class*='line-']")) {
    const number = /line-(\d+)/.exec(line.getAttribute("class"))[1];
    line.classList.toggle("picked", number === a || number === b);
  }
}

for (const panel of all(".compare")) {
  const board = data.boards[panel.dataset.board];
  const [a, b, metric] = ["a", "b", "metric"].map((name) => panel.querySelector(`.${name}`));
  const names = board.rows.map((number) => [number, data.labels[number]]);
  fill(a, names, board.rows[0]);
  fill(b, names, board.rows[1] ?? board.rows[0]);
  fill(metric, Object.keys(board.metrics).map((name) => [name, name]));
  const show = () => {
    const chosen = board.metrics[metric.value];
    panel.querySelector(".verdict").textContent = chosen.says[`${a.value},${b.value}`] ?? "One of them was not measured in this metric.";
    draw(panel.querySelector(".scatter"), chosen, board.images, a.value, b.value);
    highlight(a.value, b.value);
  };
  for (const select of [a, b, metric]) select.addEventListener("change", show);
  panel.show = show;
  show();
}

// ---- one data set at a time

const boards = document.getElementById("board");
function choose() {
  for (const one of all(".board")) one.classList.toggle("hidden", one.dataset.board !== (boards?.value ?? "0"));
  document.querySelector(".compare:not(.hidden)")?.show();
}
boards?.addEventListener("change", choose);
choose();

// ---- pictures

const [scene, left, right, cut] = ["scene", "left", "right", "cut"].map((id) => document.getElementById(id));
if (scene) {
  const word = { gt: "ground truth", bicubic: "bicubic interpolation" };
  const named = (key) => word[key] ?? data.shots[key];
  fill(scene, Object.keys(data.scenes).map((name) => [name, name]));
  const showPair = () => {
    const shots = data.scenes[scene.value];
    for (const side of [left, right]) {
      const image = document.getElementById(`${side.id}-image`);
      image.src = shots[side.value];
      image.alt = `${scene.value}: ${named(side.value)}`;
    }
  };
  const offer = () => {
    const shots = data.scenes[scene.value];
    const keys = Object.keys(shots);
    const runs = keys.filter((key) => !(key in word));
    const [one, other] = [left.value in shots ? left.value : "bicubic", right.value in shots ? right.value : runs[0] ?? "gt"];
    const entries = [...runs, "bicubic", "gt"].filter((key) => key in shots).map((key) => [key, named(key)]);
    fill(left, entries, one);
    fill(right, entries, other);
    showPair();
  };
  const move = () => document.querySelector(".pair").style.setProperty("--cut", `${cut.value}%`);
  scene.addEventListener("change", offer);
  for (const side of [left, right]) side.addEventListener("change", showPair);
  cut.addEventListener("input", move);
  offer();
  move();
}
