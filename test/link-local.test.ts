import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { isLinkLocal } from '../src/link-local.ts';

test('link-local addresses are known in every form', () => {
  for (const address of [
    '169.254.0.0',
    '169.254.169.254',
    '169.254.255.255',
    '::ffff:169.254.169.254',
    '::ffff:a9fe:a9fe',
    '[::ffff:a9fe:a9fe]',
    '64:ff9b::a9fe:a9fe',
    'fe80::1',
    'febf::1',
    'fe80::1%eth0',
    'fd00:ec2::254',
  ]) {
    assert.equal(isLinkLocal(address), true, address);
  }
});

test('other addresses and names are not link-local', () => {
  for (const address of [
    '169.253.255.255',
    '169.255.0.0',
    '10.0.0.1',
    '::1',
    'fec0::1',
    'fd00::1',
    'podinfo',
    '',
  ]) {
    assert.equal(isLinkLocal(address), false, address);
  }
});

test('an IPv4 address is link-local if and only if it begins with 169.254', () => {
  fc.assert(fc.property(fc.ipV4(), (address) => isLinkLocal(address) === address.startsWith('169.254.')));
});
