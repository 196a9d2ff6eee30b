// What a program in Node sees: types of results, a model as a bound BLOB, and a training that an interrupt ends.
import assert from 'node:assert/strict';
import { DuckDBBlobValue, DuckDBInstance } from '@duckdb/node-api';

const instance = await DuckDBInstance.create(':memory:', { allow_unsigned_extensions: 'true' });
const connection = await instance.connect();
await connection.run(`LOAD '${process.env.FOOTFALL_EXTENSION}'`);
const rows = async (sql, ...values) => (await connection.runAndReadAll(sql, ...values)).getRows();

await connection.run(`
  CREATE TABLE histories AS
  SELECT user_id, list(action ORDER BY ts, action) AS actions FROM footfall.generate_events(users := 40) GROUP BY user_id`);
await connection.run('CREATE TABLE run AS FROM footfall.train(histories, actions, epochs := 1, hidden := 4, user_id := user_id)');
const [[model]] = await rows('FROM footfall.best_model(run)');
assert.ok(model instanceof DuckDBBlobValue);

// STRUCT, MAP and a list of STRUCTs; the model comes back as a parameter.
const [[next, likeliest]] = await rows(
  "SELECT next, footfall.top(next.probabilities) FROM (SELECT predict_next($model, ['pv', 'cart']) AS next)", { model });
const { action, probability, probabilities, n_unknown } = next.entries;
const byName = new Map(probabilities.entries.map(({ key, value }) => [key, value]));
assert.equal(byName.get(action), probability);
assert.equal(n_unknown, 0n);
assert.ok(Math.abs([...byName.values()].reduce((sum, one) => sum + one) - 1) < 1e-6);
assert.deepEqual(likeliest.items.map((one) => one.entries.probability), [...byName.values()].sort((a, b) => b - a));
assert.equal(likeliest.items[0].entries.action, action);

// As plain values of JavaScript.
const [plain] = (await connection.runAndReadAll("SELECT footfall.top(MAP {'pv': 0.75, 'buy': 0.25}) AS top")).getRowObjectsJS();
assert.deepEqual(plain, { top: [{ action: 'pv', probability: 0.75 }, { action: 'buy', probability: 0.25 }] });

// An error is one line of ours.
await assert.rejects(rows("SELECT predict_next($model, ['pv'])", { model: new DuckDBBlobValue(new Uint8Array([1, 2])) }), /predict_next: argument 'model'/);

// Ten thousand epochs end soon after an interrupt, and the connection goes on.
const training = rows('FROM footfall.train(histories, actions, epochs := 10000, hidden := 64, user_id := user_id)');
let interruptedAt;
setTimeout(() => { interruptedAt = Date.now(); connection.interrupt(); }, 500);
await assert.rejects(training, /[Ii]nterrupt/);
console.log(`ended ${Date.now() - interruptedAt} ms after the interrupt`);
assert.deepEqual(await rows('SELECT 42'), [[42]]);
