/** Keys on a Job and its Pods. They are API: what is running carries them across an update of postsync. */
export const JOB_KEYS = {
  managedBy: 'app.kubernetes.io/managed-by',
  run: 'postsync.dev/run',
  runUid: 'postsync.dev/run-uid',
  test: 'postsync.dev/test',
  runNamespace: 'postsync.dev/run-namespace',
  release: 'postsync.dev/release',
  limits: 'postsync.dev/limits',
} as const;

/** What selects our Jobs and Pods, among them only. */
export const OUR_JOBS = `${JOB_KEYS.managedBy}=postsync,${JOB_KEYS.runUid}`;
