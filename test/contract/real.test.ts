import { test } from 'node:test';
import { KubeConfig } from '@kubernetes/client-node';
import { accessContract } from './access.contract.ts';
import { apiContract } from './api.contract.ts';
import { customContract } from './custom.contract.ts';
import { jobChecksContract } from './job-checks.contract.ts';
import { jobsContract } from './jobs.contract.ts';
import { open, type Subject } from './subject.ts';

const { KUBECONFIG } = process.env;

async function real(): Promise<Subject> {
  const config = new KubeConfig();
  config.loadFromDefault();
  const subject: Subject = await open(config, async (audience) => {
    const account = `/api/v1/namespaces/${subject.namespace}/serviceaccounts`;
    const name = 'contract';
    await subject.raw('POST', account, {
      body: { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name } },
    });
    const request = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: { audiences: [audience] },
    };
    const { body } = await subject.raw('POST', `${account}/${name}/token`, { body: request });
    return {
      token: String(body.status?.['token']),
      user: `system:serviceaccount:${subject.namespace}:${name}`,
    };
  });
  return subject;
}

if (KUBECONFIG) {
  apiContract(real);
  customContract(real);
  accessContract(real);
  jobChecksContract(real);
  jobsContract(real);
} else {
  const skip = 'KUBECONFIG is not set: the contract was NOT checked against a real API server';
  test('the embedded cluster does as a real one', { skip });
}
