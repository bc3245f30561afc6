import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, mock, test } from 'node:test';
import { PostsyncError } from '../src/errors.ts';
import { createLog } from '../src/log.ts';

function aLog(level = 'info') {
  const lines: Record<string, unknown>[] = [];
  const log = createLog(level, { write: (line) => void lines.push(JSON.parse(line)) });
  return { log, lines };
}

describe('the log', () => {
  test('is a JSON line with level, time and program', () => {
    const { log, lines } = aLog();

    log.info({ run: 'podinfo-smoke-v7-3f9a2c4105be77d1' }, 'run ended');

    const [{ time, ...line } = {}] = lines;
    assert.deepEqual(line, {
      level: 'info',
      app: 'postsync',
      run: 'podinfo-smoke-v7-3f9a2c4105be77d1',
      msg: 'run ended',
    });
    assert.match(String(time), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  });

  test('has the time of each line to the millisecond', () => {
    const { log, lines } = aLog();
    const times = ['10:00:00.007Z', '10:00:00.999Z', '10:00:01.000Z', '10:00:00.050Z'].map(
      (time) => `2026-11-21T${time}`,
    );

    mock.timers.enable({ apis: ['Date'] });
    for (const time of times) {
      mock.timers.setTime(Date.parse(time));
      log.info('now');
    }
    mock.timers.reset();

    assert.deepEqual(
      lines.map(({ time }) => time),
      times,
    );
  });

  test('says what is at its level and above', () => {
    const { log, lines } = aLog('warn');

    log.info('no');
    log.warn('yes');

    assert.deepEqual(
      lines.map(({ msg }) => msg),
      ['yes'],
    );
  });

  test('shows the code and the cause of an error', () => {
    const { log, lines } = aLog();

    const cause = new Error('socket hang up');
    log.warn({ err: new PostsyncError('API_UNAVAILABLE', 'cannot get', { cause }) }, 'look failed');

    const { err } = lines[0] as { err: { code: string; cause: { message: string } } };
    assert.equal(err.code, 'API_UNAVAILABLE');
    assert.equal(err.cause.message, 'socket hang up');
  });

  test('leaves secrets out, should one get that far', () => {
    const { log, lines } = aLog();

    log.info(
      {
        token: 's3cret',
        provider: { token: 's3cret', hmacKey: 's3cret' },
        headers: { authorization: 'Bearer s3cret', 'x-signature': 's3cret' },
        config: { fluxHmacKeys: [Buffer.from('s3cret')], fluxBearerTokens: ['s3cret'] },
        req: { headers: { authorization: 's3cret', 'x-signature': 's3cret' } },
      },
      'started',
    );

    assert.doesNotMatch(JSON.stringify(lines), /s3cret|115,51,99/);
  });

  for (const end of ['process.exit()', 'throw new Error("the end")', ''])
    test(`is whole on stdout when the process ends by ${end || 'itself'}`, () => {
      const log = new URL('../src/log.ts', import.meta.url).href;
      const lines = 'for (let n = 0; n < 1000; n++) log.info({ n }, "line");';
      const program = `import { createLog } from '${log}'; const log = createLog('info'); ${lines} ${end}`;

      const { stdout } = spawnSync(process.execPath, ['--input-type=module-typescript', '-e', program]);

      assert.equal(stdout.toString().split('\n').length, 1001);
    });
});
