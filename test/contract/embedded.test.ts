import { after, before } from 'node:test';
import { KubeConfig } from '@kubernetes/client-node';
import { type EmbeddedCluster, startEmbeddedCluster } from '../../src/embedded/cluster.ts';
import { accessContract } from './access.contract.ts';
import { apiContract } from './api.contract.ts';
import { customContract } from './custom.contract.ts';
import { jobChecksContract } from './job-checks.contract.ts';
import { jobsContract } from './jobs.contract.ts';
import { open } from './subject.ts';

const SOMEBODY = { name: 'somebody', token: 'a-token-for-postsync', audiences: ['postsync'] };

let cluster: EmbeddedCluster;
before(async () => {
  cluster = await startEmbeddedCluster({ users: [SOMEBODY] });
  cluster.forget();
});
after(() => cluster.close());

function embedded() {
  const config = new KubeConfig();
  config.loadFromString(cluster.kubeconfig);
  return open(config, () => Promise.resolve({ token: SOMEBODY.token, user: SOMEBODY.name }));
}

apiContract(embedded);
customContract(embedded);
accessContract(embedded);
jobChecksContract(embedded);
jobsContract(embedded);
