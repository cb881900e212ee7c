// SPDX-License-Identifier: Apache-2.0
// Tables that sort by a click on a column's name, and the table of frames.

const PAGE = 100;

/**
 * Fills a table and sorts it where its head is clicked.
 * columns: {title, value(item), text(item), number, fill}; by: the column to begin with.
 */
function sortable(table, items, columns, { by, falling, decorate, most = Infinity, onMore }) {
  const state = { by, falling };
  const head = make("tr", { parent: make("thead", { parent: table }) });
  const body = make("tbody", { parent: table });
  const heads = columns.map((column, at) => {
    const cell = make("th", { parent: head, class: column.number ? "n" : "" });
    const button = make("button", { parent: cell, type: "button", text: column.title });
    button.addEventListener("click", () => {
      state.falling = state.by === at ? !state.falling : Boolean(column.number);
      state.by = at;
      fill();
    });
    return cell;
  });
  function fill() {
    heads.forEach((cell, at) => {
      if (at === state.by) cell.setAttribute("aria-sort", state.falling ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    });
    const { value } = columns[state.by];
    const sorted = items().sort((a, b) => compare(value(a), value(b), state.falling));
    body.replaceChildren(...sorted.slice(0, most).map(newRow));
    if (onMore) onMore(sorted.length, (number) => { most = number; fill(); });
  }
  function newRow(item) {
    const row = document.createElement("tr");
    for (const column of columns) {
      const cell = make("td", { parent: row, class: column.number ? "n" : "" });
      if (column.fill) column.fill(cell, item);
      else cell.textContent = column.text(item);
    }
    if (decorate) decorate(row, item);
    return row;
  }
  fill();
  return fill;
}

/** What is missing comes last, whichever way. */
function compare(a, b, falling) {
  const none = (value) => value === null || value === undefined || value === "";
  if (none(a) || none(b)) return none(a) - none(b);
  const order = typeof a === "string" ? a.localeCompare(b, "en", { numeric: true }) : a - b;
  return falling ? -order : order;
}

function number(title, values, digits = 3) {
  return {
    title, number: true, here: values.some((value) => value !== null),
    value: (row) => values[row], text: (row) => shown(values[row], digits),
  };
}

function word_(title, values) {
  return { title, here: values.some(Boolean), value: (row) => values[row], text: (row) => values[row] };
}

function frameColumns() {
  const gain = frames.miou.map((value, row) => difference(value, frames.aloneMiou[row]));
  const state = frames.index.map((index, row) => (index === null ? frames.dropped[row] : frames.xNote[row]));
  const names = ["#", timed ? "time" : ""];
  return [
    { title: names[0], number: true, here: true, value: (row) => row, text: (row) => row + 1 },
    { ...number("time s", timed ? frames.seconds : [], 2) },
    word_("name", frames.stem),
    word_("condition", frames.condition),
    number("mIoU", frames.miou),
    number("RGB alone", frames.aloneMiou),
    { ...number("gain", gain), text: (row) => signedText(gain[row]), fill: (cell, row) => fillGain(cell, gain[row]) },
    number("accuracy", frames.accuracy),
    number("confidence", frames.confidence),
    number("X valid", frames.xValid, 2),
    number("skew ms", frames.skew, 1),
    number("ms", frames.total, 1),
    word_("note", state),
  ].filter((column) => column.here);
}

function fillGain(cell, value) {
  cell.textContent = signedText(value);
  if (value !== null) cell.classList.add("signed");
  cell.classList.toggle("worse", value !== null && value < 0);
}

function startFrameTable() {
  if (rowCount < 2) return;
  const section = byId("frames");
  section.hidden = false;
  const columns = frameColumns();
  const wantedState = chooser(section, "Images", frameStates());
  const wantedCondition = chooser(section, "Condition", ["all", ...conditions]);
  const first = columns.findIndex(({ title }) => title === (scored ? "mIoU" : "confidence"));
  const fill = sortable(section.querySelector("table"), () => chosenRows(wantedState.value, wantedCondition.value), columns, {
    by: Math.max(0, first), falling: false, decorate: dressRow, most: PAGE,
    onMore: (found, setMost) => tellMore(section.querySelector(".more"), found, setMost),
  });
  wantedState.addEventListener("change", fill);
  wantedCondition.addEventListener("change", fill);
  onFrame(markRow);
}

function frameStates() {
  return frames.index.includes(null) ? ["all", "segmented", "without a mask"] : ["all"];
}

function chosenRows(state, condition) {
  return frames.stem.flatMap((_, row) => {
    const lost = frames.index[row] === null;
    if (state === "segmented" && lost) return [];
    if (state === "without a mask" && !lost) return [];
    return condition === "all" || frames.condition[row] === condition ? [row] : [];
  });
}

/** A choice of several; hidden where there is nothing to choose. */
function chooser(section, title, values) {
  const label = make("label", { parent: section.querySelector(".filters"), text: `${title} ` });
  const select = make("select", { parent: label });
  for (const value of values) make("option", { parent: select, text: value, value });
  label.hidden = values.length < 2;
  return select;
}

function dressRow(element, row) {
  element.dataset.row = row;
  element.classList.toggle("lost", frames.index[row] === null);
  element.classList.toggle("now", row === segmented[current]);
  element.addEventListener("click", () => {
    goToRow(row);
    byId("player").scrollIntoView({ block: "nearest" });
  });
}

function markRow(row) {
  const body = document.querySelector("#frames tbody");
  body.querySelector(".now")?.classList.remove("now");
  body.querySelector(`[data-row="${row}"]`)?.classList.add("now");
}

function tellMore(place, found, setMost) {
  place.replaceChildren();
  const there = document.querySelectorAll("#frames tbody tr").length;
  place.append(`${there} of ${found} `);
  if (there >= found) return;
  const button = make("button", { parent: place, type: "button", text: "show all" });
  button.addEventListener("click", () => setMost(Infinity));
}
