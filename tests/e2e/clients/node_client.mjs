// @kubernetes/client-node. Run by tests/e2e/test_client_libraries.py.
// Arguments: folder of node_modules, kubeconfig, namespace.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import net from 'node:net';
import path from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { pathToFileURL } from 'node:url';

const [modules, kubeconfig, namespace] = process.argv.slice(2);
const require = createRequire(path.join(modules, 'package.json'));
const k8s = await import(pathToFileURL(require.resolve('@kubernetes/client-node')));

const config = new k8s.KubeConfig();
config.loadFromFile(kubeconfig);
const core = config.makeApiClient(k8s.CoreV1Api);

/** Watch pods until `reached(type, pod)`. */
async function until(reached) {
    const query = { fieldSelector: 'metadata.name=node' };
    const watch = new k8s.Watch(config);
    await new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error('the watch saw nothing in time')), 30_000);
        let controller;
        const done = (error) => (clearTimeout(timer), controller?.abort(), error ? reject(error) : resolve());
        watch
            .watch(`/api/v1/namespaces/${namespace}/pods`, query, (type, pod) => reached(type, pod) && done(), () => {})
            .then((started) => (controller = started), reject);
    });
}

async function text(stream) {
    let all = '';
    for await (const piece of stream) all += piece;
    return all;
}

/** Run a command in the pod: its output, errors and status. */
async function exec(command, stdin) {
    const [out, err] = [new PassThrough(), new PassThrough()];
    const told = [text(out), text(err)];
    const status = await new Promise((resolve, reject) => {
        new k8s.Exec(config)
            .exec(namespace, 'node', 'c', command, out, err, stdin ? Readable.from([stdin]) : null, false, resolve)
            .catch(reject);
    });
    out.end();
    err.end();
    return [...(await Promise.all(told)), status];
}

const serve = 'mkdir -p /www && echo node > /www/index.html && echo started && exec httpd -f -p 8080 -h /www';
const container = { name: 'c', image: 'wherry-test/app:1', imagePullPolicy: 'Never', command: ['sh', '-c', serve] };
const body = { metadata: { name: 'node' }, spec: { containers: [container], terminationGracePeriodSeconds: 1 } };
await core.createNamespacedPod({ namespace, body });
await until((_, pod) => pod.status.phase === 'Running');

const [out, err, status] = await exec(['sh', '-c', 'read a; echo got $a; echo err >&2; exit 3'], 'typed\n');
assert.equal(out, 'got typed\n');
assert.equal(err, 'err\n');
assert.equal(status.reason, 'NonZeroExitCode');
assert.equal(status.details.causes[0].message, '3');
assert.equal((await exec(['true']))[2].status, 'Success');
assert.equal(await core.readNamespacedPodLog({ name: 'node', namespace }), 'started\n');

const forward = new k8s.PortForward(config);
const server = net.createServer((socket) => forward.portForward(namespace, 'node', [8080], socket, null, socket));
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const answer = await fetch(`http://127.0.0.1:${server.address().port}/index.html`, { headers: { connection: 'close' } });
assert.equal(await answer.text(), 'node\n');
server.close();

const patch = [{ op: 'add', path: '/metadata/labels', value: { by: 'node' } }];
await core.patchNamespacedPod({ name: 'node', namespace, body: patch });
assert.equal((await core.listNamespacedPod({ namespace, labelSelector: 'by=node' })).items.length, 1);

const objects = k8s.KubernetesObjectApi.makeApiClient(config);
const made = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'node', namespace }, data: { a: '1' } };
await objects.create(made);
await objects.patch({ ...made, data: { a: '2' } }, undefined, undefined, undefined, undefined, k8s.PatchStrategy.MergePatch);
assert.equal((await objects.read(made)).data.a, '2');
await objects.delete(made);
await assert.rejects(objects.read(made), (error) => error.code === 404);

await core.deleteNamespacedPod({ name: 'node', namespace });
await until((type) => type === 'DELETED');
process.exit(0);
