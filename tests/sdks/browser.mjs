// A page of a shop with @segment/analytics-next as it comes from the registry, in a real headless Chromium. Called by
// test_browser.py: node browser.mjs '{"chromium", "url", "key", "user", "calls", "integration", "clock_off_ms",
// "until", "leave_at_once", "beacon"}'; answers with every host that the page spoke to, and its anonymous id.

import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { chromium } from "playwright-core";

const told = JSON.parse(process.argv[2]);
const sdk = path.join(path.dirname(createRequire(import.meta.url).resolve("@segment/analytics-next/package.json")), "dist/umd");
const page_of_the_shop = `<!doctype html><title>A shop</title><script src="/sdk/index.js"></script>`;

// Another origin than Comeback's, as any shop is.
const shop = createServer(async (request, response) => {
  const name = new URL(request.url, "http://shop").pathname;
  if (name.startsWith("/sdk/")) {
    response.setHeader("content-type", "text/javascript");
    response.end(await readFile(path.join(sdk, path.basename(name))));
  } else {
    response.setHeader("content-type", "text/html");
    response.end(page_of_the_shop);
  }
});
await new Promise((listening) => shop.listen(0, "127.0.0.1", listening));
const origin = `http://127.0.0.1:${shop.address().port}`;

const browser = await chromium.launch({ executablePath: told.chromium, headless: true });
const page = await browser.newPage();
const hosts = new Set();
const posts = [];
page.on("request", (request) => hosts.add(new URL(request.url()).host));
page.on("response", (response) => {
  if (response.request().method() === "POST") posts.push({ path: new URL(response.url()).pathname, status: response.status() });
});
const said = [];
page.on("console", (message) => said.push(message.text()));

page.on("requestfailed", (request) => said.push(`${request.url()}: ${request.failure()?.errorText}`));
page.on("pageerror", (error) => said.push(String(error)));
setTimeout(() => {
  console.error(JSON.stringify({ stuck: { hosts: [...hosts], posts, said } }));
  process.exit(1);
}, 50_000).unref();

if (told.clock_off_ms) {
  await page.addInitScript((off) => {
    const Right = Date;
    window.Date = class extends Right {
      constructor(...given) {
        given.length ? super(...given) : super(Right.now() + off);
      }
      static now() {
        return Right.now() + off;
      }
    };
  }, told.clock_off_ms);
}
await page.goto(`${origin}/`);

const anonymous_id = await page.evaluate(async (told) => {
  const integrations = { "Segment.io": told.integration ?? {} };
  const analytics = AnalyticsNext.AnalyticsBrowser.load({ writeKey: told.key, cdnURL: told.url }, { integrations });
  await analytics.ready();
  window.analytics = analytics;
  const anonymous_id = (await analytics.user()).anonymousId();
  const off = told.clock_off_ms ?? 0;
  for (const call of told.calls) {
    const more = call.timestamp ? { timestamp: new Date(Date.parse(call.timestamp) + off) } : {};
    if (call.type === "identify") await analytics.identify(told.user, call.traits);
    else if (call.type === "alias") await analytics.alias(call.userId, call.previousId);
    else if (call.type === "group") await analytics.group(call.groupId, call.traits);
    else if (call.type === "track") await analytics.track(call.event, call.properties, more);
    else await analytics[call.type](call.name, call.properties);
  }
  if (told.beacon) {
    navigator.sendBeacon(`${told.url}/v1/p`, JSON.stringify({ writeKey: told.key, ...told.beacon }));
  }
  return anonymous_id;
}, told);

if (told.leave_at_once) {
  await page.goto(`${origin}/elsewhere`);
  await page.waitForTimeout(500);
} else {
  // Until so many posts were taken or refused for good; those that the SDK sends again are neither.
  const settled = ({ status }) => status < 400 || status === 403;
  while (posts.filter(settled).length < told.until) await page.waitForTimeout(50);
}
await browser.close();
shop.close();
hosts.delete(new URL(origin).host);
console.log(JSON.stringify({ hosts: [...hosts], posts, anonymous_id, said }));
process.exit(0);
