// node checks.mjs <check> <address> <chromium> <folder for screenshots>
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [check, address, executablePath, screenshots] = process.argv.slice(2);
const axe = readFileSync(new URL("./node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
const SCENES = ["fresh", "server", "migrating", "lock", "failed", "ahead", "backfills", "done", "thousand", "hostile"];
const DESK = { viewport: { width: 1280, height: 800 } };
const PHONE = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true };
const LOOKS = {
  "desktop-light": { ...DESK, colorScheme: "light" },
  "desktop-dark": { ...DESK, colorScheme: "dark" },
  "phone-light": { ...PHONE, colorScheme: "light" },
  "phone-dark": { ...PHONE, colorScheme: "dark" },
};

const browser = await chromium.launch({
  executablePath,
  args: [
    "--no-sandbox",
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});

// A page whose console must stay empty but for what is said to be expected.
const open = async (path, options = DESK, expected = () => false) => {
  const context = await browser.newContext({ baseURL: address, ...options });
  // Other tests may have the machine to themselves for a while.
  context.setDefaultTimeout(60_000);
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type()) && !expected(message.text())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto(path);
  return {
    page,
    close: async () => {
      assert.deepEqual(complaints, [], `the console of ${path}`);
      await context.close();
    },
  };
};
const show = (scene) => fetch(`${address}/show/${scene}`);
const verdict = (page, text) => page.locator("#verdict .sentence", { hasText: text }).waitFor();
const isLive = (page) => page.locator("#line", { hasText: "Live" }).waitFor();
const picture = (page, name) => page.screenshot({ path: join(screenshots, `${name}.png`), fullPage: true });

const accessible = async (page, name) => {
  await page.evaluate(axe);
  const { violations, passes } = await page.evaluate(() => globalThis.axe.run());
  const told = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join("\n  ")}`);
  assert.deepEqual(told, [], `what axe says of ${name}`);
  assert.ok(passes.some(({ id }) => id === "color-contrast"), `axe has looked at the colours of ${name}`);
};

const CHECKS = {
  async scenes() {
    const lookAt = async ([look, options]) => {
      const { page, close } = await open("about:blank", options);
      for (const scene of SCENES) {
        await page.goto(`/${scene}/`);
        await isLive(page);
        const name = `${scene}-${look}`;
        await picture(page, name);
        const [width, all] = await page.evaluate(() => [innerWidth, document.documentElement.scrollWidth]);
        assert.ok(all <= width, `${name} is ${all} pixels wide`);
        const ground = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
        const lightness = ground.match(/\d+/g).reduce((sum, part) => sum + Number(part), 0) / 3;
        assert.equal(lightness < 128, look.endsWith("dark"), `the ground of ${name} is ${ground}`);
        // A thousand rows are the same to axe in any colour, and take it long.
        if (scene !== "thousand" || look === "desktop-light") await accessible(page, name);
      }
      await close();
    };
    await Promise.all(Object.entries(LOOKS).map(lookAt));
  },

  async contents() {
    const holds = async (scene, ...texts) => {
      const { page, close } = await open(`/${scene}/`);
      const text = (await page.locator("body").innerText()).replace(/\s+/g, " ");
      for (const part of texts) assert.ok(text.includes(part), `${scene}: ${part} is not in: ${text}`);
      return { page, close };
    };
    let { page, close } = await holds("migrating", "Not ready. Migrations are being applied.", "10 of 12", "11 index_utterances",
      "Building index: scanning table 45 %", "108,612 a second, about 10 s left", "Statement 2 of 3", "Retries 2",
      "process 4711, application reports", "What waits: 1 migration", "The longest: fill_search_vectors 1.9 s");
    assert.equal(await page.getByRole("progressbar", { name: "Building index: scanning table" }).getAttribute("value"), "45");
    assert.equal(await page.locator("[aria-live]").count(), 1);
    assert.equal(await page.locator("#running, #ran").getByRole("heading", { level: 2 }).count(), 2);
    await close();
    await (await holds("lock", "Not ready. Another process migrates.", "For 12.3 s", "process 4242, application threads 2.0.0",
      "half applied, 1 statement done")).close();
    await (await holds("failed", "Not ready. Migration 12 (forbid_empty_utterances) failed.",
      "migrations/0012_forbid_empty_utterances.up.sql:3:5", "is violated by some row", "SQLSTATE 23514", "What to do")).close();
    await (await holds("ahead", "Ready. All that this program needs is applied.",
      "The database is ahead of this program: it holds 2 later migrations.", "drop_nodes_legacy ahead", "by threads 2.0.0")).close();
    await (await holds("backfills", "Ready. The schema is there; 2 backfills to be finished.", "fill_search_vectors running 64 %",
      "1,284,500 of 2,000,000 rows, 24,310 rows a second, about 29 s left", "Pauses for replica lag of 2.1 s.")).close();
    await (await holds("done", "Ready. All 12 migrations are applied.", "4 verified", "4 not verified by this process")).close();
    await (await holds("fresh", "Not ready. Looking at the database.", "What waits: 12 migrations")).close();

    await (await holds("server", "Not ready. Can't connect: connection refused.", "Elapsed 1 min 4 s",
      "The history could not be read: There was no answer within 2 s.")).close();

    ({ page, close } = await holds("thousand", "940 of 1,000", "What waits: 59 migrations", "50 later migrations",
      "925 older migrations", "add_column_417_to_table_10 20.1 s"));
    assert.equal(await page.locator("#ran tbody tr").count(), 15);
    assert.equal(await page.locator("#older tbody tr").count(), 925);
    await page.getByText("925 older migrations").click();
    const bar = async (version) => (await page.locator(`#m-${version} .bar rect`).boundingBox()).width;
    assert.ok((await bar(416)) > 8 && (await bar(417)) > 3 * (await bar(416)), "short bars are seen beside the long one");
    await close();
  },

  async live() {
    await show("thousand");
    const { page, close } = await open("/live/");
    await isLive(page);
    await page.evaluate(() => { globalThis.untouched = document.querySelector("#m-900"); });
    // One is in a part that the event brings, the other in one that it leaves out.
    const summary = page.getByText("190 older events");
    for (const unfolded of [page.getByText("925 older migrations"), summary]) {
      await unfolded.focus();
      await page.keyboard.press("Enter");
    }
    await page.locator("#m-417").scrollIntoViewIfNeeded();
    await summary.evaluate((it) => it.focus({ preventScroll: true }));
    const place = () => page.evaluate(() => Math.round(document.querySelector("#m-417").getBoundingClientRect().top));
    const before = await place();

    await show("thousand-later");
    await page.locator("#verdict .facts", { hasText: "942 of 1,000" }).waitFor();
    assert.ok(await page.evaluate(() => globalThis.untouched === document.querySelector("#m-900")), "the page was not loaded again");
    for (const part of ["older", "events"]) {
      assert.ok(await page.locator(`#${part} details`).evaluate((it) => it.open), `what was open in ${part} stays open`);
    }
    assert.equal(await page.locator("#events .id").first().innerText(), "942");
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "190 older events");
    assert.ok(Math.abs((await place()) - before) <= 2, "what was looked at stays where it is");
    assert.deepEqual(await page.locator("#ran tbody th .id").first().innerText(), "942");

    await show("failed");
    await verdict(page, "Migration 12 (forbid_empty_utterances) failed.");
    assert.equal(await page.title(), "Not ready: failed · Migrations");
    assert.ok(await page.locator("#running").isHidden(), "what is over is gone");
    await picture(page, "live-failed");
    await show("done");
    await verdict(page, "All 12 migrations are applied.");
    assert.equal(await page.title(), "Ready · Migrations");
    assert.ok(await page.locator("#failure").isHidden());
    // It is what the server would have sent at once.
    const live = () => page.locator("main").innerHTML();
    const changed = await live();
    await page.goto("/done/");
    const whole = (html) => html.replaceAll(' open=""', "");
    assert.equal(whole(changed), whole(await live()));
    await close();
  },

  async lost() {
    await show("migrating");
    const { page, close } = await open("/live/", DESK, (text) => /ERR_|503|aborted/.test(text));
    await isLive(page);
    await show("nothing");
    await page.locator("#line", { hasText: "Connection lost, trying again" }).waitFor();
    await picture(page, "lost");
    await show("done");
    await isLive(page);
    await verdict(page, "All 12 migrations are applied.");
    await close();
  },

  async plain() {
    await show("migrating");
    const { page, close } = await open("/live/", { ...DESK, javaScriptEnabled: false });
    await verdict(page, "Migrations are being applied.");
    await page.locator("#running", { hasText: "45 %" }).waitFor();
    // Texts in a noscript are none to playwright's searches.
    const says = page.locator("footer noscript p");
    await says.waitFor();
    assert.equal(await says.innerText(), "This page loads itself again every 5 seconds.");
    assert.ok(await page.locator("#line").isHidden());
    await picture(page, "without-javascript");
    await show("done");
    await verdict(page, "All 12 migrations are applied.");
    assert.equal(await says.count(), 0);
    await close();
  },

  async keyboard() {
    const { page, close } = await open("/thousand/");
    await isLive(page);
    const wanted = await page.locator("a[href], summary").allInnerTexts();
    const reached = [];
    for (let tabs = 0; tabs < 40 && reached.length < wanted.length; tabs++) {
      await page.keyboard.press("Tab");
      const at = await page.evaluate(() => {
        const it = document.activeElement;
        return { text: it.innerText, outline: parseFloat(getComputedStyle(it).outlineWidth), style: getComputedStyle(it).outlineStyle };
      });
      assert.ok(at.outline >= 2 && at.style !== "none", `${at.text} shows that it has the focus`);
      reached.push(at.text);
    }
    assert.deepEqual(reached, wanted);
    await page.getByText("50 later migrations").focus();
    await page.keyboard.press("Space");
    await page.locator("#w-1000").waitFor();
    await close();
    const calm = await open("/migrating/", { ...DESK, reducedMotion: "reduce" });
    assert.ok(await calm.page.evaluate(() => matchMedia("(prefers-reduced-motion: reduce)").matches));
    await calm.page.waitForFunction(() => document.getAnimations().length === 0);
    await calm.close();
  },

  async hostile() {
    const { page, close } = await open("/hostile/", DESK, (text) => text.includes("Content Security Policy"));
    await isLive(page);
    assert.equal(await page.title(), "Not ready: failed · Migrations");
    assert.equal(await page.locator("main script, main img, [onload], [onerror]").count(), 0);
    await page.locator("#failure", { hasText: "<script>document.title" }).waitFor();
    const ran = await page.evaluate(() => {
      const script = document.createElement("script");
      script.textContent = "globalThis.foreign = true";
      document.body.append(script);
      return globalThis.foreign === true;
    });
    assert.ok(!ran, "the policy lets a foreign script run");
    await close();
  },

  async print() {
    const { page, close } = await open("/thousand/");
    await page.emulateMedia({ media: "print" });
    assert.ok(await page.locator("#line").isHidden());
    await page.locator("#m-417").waitFor();
    await page.pdf({ path: join(screenshots, "thousand.pdf"), format: "A4" });
    await page.goto("/failed/");
    await picture(page, "failed-print");
    await close();
  },

  async start() {
    const { page, close } = await open("/internal/migrations/");
    await isLive(page);
    await verdict(page, "Migrations are being applied.");
    await page.locator("#running", { hasText: "wait_for_the_tide" }).waitFor();
    const elapsed = () => page.locator("#running .facts dd").first().innerText();
    const first = await elapsed();
    await page.waitForFunction((first) => document.querySelector("#running .facts dd").innerText !== first, first);
    await accessible(page, "the start");
    await picture(page, "start");
    await fetch(`${address}/go-on`);
    await verdict(page, "All 3 migrations are applied.");
    await picture(page, "start-ready");
    const link = await page.getByText("The same as JSON").evaluate((it) => it.href);
    assert.equal(link, `${address}/internal/migrations`);
    const json = await fetch(link);
    assert.equal((await json.json()).ready, true);
    await close();
  },

  async failure() {
    const { page, close } = await open("/internal/migrations/");
    await verdict(page, "Migration 2 (count_ducks) failed.");
    const failure = page.locator("#failure");
    for (const text of ['relation "ducks" does not exist', "42P01", "What to do"]) {
      await failure.getByText(text).first().waitFor();
    }
    await accessible(page, "the failure");
    await picture(page, "failure");
    await close();
  },
};

try {
  await CHECKS[check]();
} finally {
  await browser.close();
}
