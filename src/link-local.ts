import { BlockList, isIP } from 'node:net';

/** Where clouds serve a node's credentials to whoever asks from it. */
const refused = new BlockList();
refused.addSubnet('169.254.0.0', 16, 'ipv4');
refused.addSubnet('fe80::', 10, 'ipv6');
/** The IPv4 block as NAT64 writes it; IPv4-mapped addresses are covered by BlockList itself. */
refused.addSubnet('64:ff9b::169.254.0.0', 112, 'ipv6');
/** AWS' metadata over IPv6. */
refused.addAddress('fd00:ec2::254', 'ipv6');

/** Tells whether an IP address is link-local or a cloud's metadata service. A name is neither: resolve it first. */
export function isLinkLocal(address: string): boolean {
  const bare = address.replace(/^\[(.*)\]$/, '$1').replace(/%.*$/, '');
  const version = isIP(bare);
  return version !== 0 && refused.check(bare, version === 4 ? 'ipv4' : 'ipv6');
}

/** Says why a URL is not one that a check may ask; `undefined` when it is. */
export function urlProblem(text: string): string | undefined {
  const url = URL.parse(text);
  if (!url || !/^https?:$/.test(url.protocol)) return 'is not an http or https URL';
  if (url.username !== '' || url.password !== '') return 'holds credentials';
  if (isLinkLocal(url.hostname)) return 'is a link-local address';
  return undefined;
}
