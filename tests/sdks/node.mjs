// Tells calls with @segment/analytics-node as it comes from the registry. Called by test_node.py:
// node node.mjs '{"url", "key", "user", "calls", "options", "clock_off_ms"}'; answers with what could not be delivered.

const told = JSON.parse(process.argv[2]);

if (told.clock_off_ms) {
  // A machine whose clock is wrong.
  const Right = Date;
  globalThis.Date = class extends Right {
    constructor(...given) {
      given.length ? super(...given) : super(Right.now() + told.clock_off_ms);
    }
    static now() {
      return Right.now() + told.clock_off_ms;
    }
  };
}

const { Analytics } = await import("@segment/analytics-node");
const failed = [];
const analytics = new Analytics({ writeKey: told.key, host: told.url, ...told.options });
analytics.on("error", (error) => failed.push(String(error.reason ?? error.code)));

for (const { type, ...call } of told.calls) {
  if (call.timestamp) call.timestamp = new Date(Date.parse(call.timestamp) + (told.clock_off_ms ?? 0));
  analytics[type]({ userId: told.user, ...call });
}
await analytics.closeAndFlush({ timeout: 60_000 });
console.log(JSON.stringify({ failed }));
