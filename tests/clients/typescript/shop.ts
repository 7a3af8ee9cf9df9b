// An order becomes a coupon and a figure, through clients whose types are generated from the contracts.
// Prints what it saw as one line of JSON.

import createClient, { type Client } from "openapi-fetch";
import type { paths as Coupons } from "./generated/coupons.js";
import type { paths as Metrics } from "./generated/metrics.js";
import type { paths as Profile } from "./generated/profile.js";
import type { paths as Segmentation } from "./generated/segmentation.js";
import type { paths as Targeting } from "./generated/targeting.js";

function client<Paths extends {}>(service: string): Client<Paths> {
  const baseUrl = process.env[`COMEBACK_${service}_URL`];
  return createClient<Paths>({ baseUrl, headers: { Authorization: `Bearer ${process.env.COMEBACK_API_KEY}` } });
}

// The answer, or an error with the code of the refusal.
function got<Data>(answer: { data?: Data; error?: { code: string }; response: Response }): Data {
  if (answer.data === undefined) throw new Error(`${answer.response.status} ${answer.error?.code}`);
  return answer.data;
}

function only<Each>(list: Each[]): Each {
  const [first] = list;
  if (first === undefined || list.length !== 1) throw new Error(`one was wanted, ${list.length} came`);
  return first;
}

const profile = client<Profile>("PROFILE");
const segmentation = client<Segmentation>("SEGMENTATION");
const targeting = client<Targeting>("TARGETING");
const coupons = client<Coupons>("COUPONS");
const metrics = client<Metrics>("METRICS");

async function untilKnown(): Promise<void> {
  const moment = Date.now();
  while (Date.parse(got(await metrics.GET("/v1/clock")).at) < moment) {
    if (Date.now() > moment + 60_000) throw new Error("the clock of metrics stands");
    await new Promise((done) => setTimeout(done, 100));
  }
}

const template = got(
  await coupons.POST("/v1/templates", {
    params: { header: { "Idempotency-Key": "typescript-template" } },
    body: {
      name: "5.00 off",
      kind: "typescript-welcome",
      discount: { type: "amount_off", amount: 500, currency: "EUR" },
      validity: { type: "relative", days: 14 },
    },
  }),
);
const campaign = got(
  await targeting.POST("/v1/campaigns", {
    body: {
      name: "TypeScript's welcome",
      template_id: template.template_id,
      goal: "retention",
      audience: { kind: "stage", stage: "new" },
      trigger: { kind: "entered" },
      starts_at: new Date().toISOString(),
      channel: "mail",
      business_line: "typescript",
      holdout: 0,
    },
  }),
);
const here = { params: { path: { campaign_id: campaign.campaign_id } } };
got(await targeting.POST("/v1/campaigns/{campaign_id}/start", here));

const paid = { order_id: "ts-1", total: 49.9, currency: "EUR", shop_id: "north" };
const call = { userId: "tess", event: "Order Completed", messageId: "ts-m-1", properties: paid };
got(await profile.POST("/v1/track", { body: call }));
await untilKnown();

const found = got(await profile.GET("/v1/customers", { params: { query: { source_id: "tess" } } }));
const customer = { params: { path: { customer_id: only(found.data).customer_id } } };
const stage = only(got(await segmentation.GET("/v1/customers/{customer_id}/lifecycle", customer)).data);
const held = got(await coupons.GET("/v1/customers/{customer_id}/coupons", customer)).data;
const coupon = only(held.filter((each) => each.campaign_id === campaign.campaign_id));

const use = { code: coupon.code, shop_id: "north", order_id: "ts-2", amount: 6000, currency: "EUR" };
const redemption = got(await coupons.POST("/v1/redemptions", { body: use }));
await untilKnown();
const figures = got(await metrics.GET("/v1/campaigns/{campaign_id}/metrics", here));

const refusal = await coupons.POST("/v1/redemptions", { body: { ...use, code: "NOBODYHASTHIS" } });

console.log(
  JSON.stringify({
    stage: stage.stage,
    discount: redemption.discount.amount,
    issued: figures.issued,
    redemptions: figures.redemptions,
    subsidy: figures.subsidy.platform.amount,
    refused: [refusal.response.status, refusal.error?.code],
  }),
);
