/**
 * Which section of which RFC is met where: an index of the citations in the comments of `src/` and `native/`.
 *
 * A section without its RFC (`§2.1.1`) belongs to the document named before it in the same paragraph, or else to the
 * first RFC of the file, which is what its header says it follows.
 */
import type { SourceFile } from './source.ts';

const TITLES: Readonly<Record<number, string>> = {
  768: 'User Datagram Protocol',
  791: 'Internet Protocol',
  792: 'Internet Control Message Protocol',
  815: 'IP Datagram Reassembly Algorithms',
  826: 'Address Resolution Protocol',
  862: 'Echo Protocol',
  863: 'Discard Protocol',
  867: 'Daytime Protocol',
  894: 'IP over Ethernet',
  903: 'Reverse Address Resolution Protocol',
  919: 'Broadcasting Internet Datagrams',
  922: 'Broadcasting in the Presence of Subnets',
  950: 'Internet Standard Subnetting Procedure',
  1071: 'Computing the Internet Checksum',
  1112: 'Host Extensions for IP Multicasting',
  1122: 'Requirements for Internet Hosts: Communication Layers',
  1141: 'Incremental Updating of the Internet Checksum',
  1191: 'Path MTU Discovery',
  1256: 'ICMP Router Discovery Messages',
  1624: 'Computation of the Internet Checksum via Incremental Update',
  1812: 'Requirements for IP Version 4 Routers',
  1858: 'Security Considerations for IP Fragment Filtering',
  2018: 'TCP Selective Acknowledgment Options',
  2113: 'IP Router Alert Option',
  2236: 'Internet Group Management Protocol, Version 2',
  2385: 'TCP MD5 Signature Option',
  2390: 'Inverse Address Resolution Protocol',
  2474: 'Differentiated Services Field',
  2544: 'Benchmarking Methodology for Network Interconnect Devices',
  2992: 'Analysis of an Equal-Cost Multi-Path Algorithm',
  3021: '31-Bit Prefixes on IPv4 Point-to-Point Links',
  3022: 'Traditional IP Network Address Translator',
  3128: 'Protection Against a Variant of the Tiny Fragment Attack',
  3168: 'Explicit Congestion Notification',
  3376: 'Internet Group Management Protocol, Version 3',
  3493: 'Basic Socket Interface Extensions for IPv6',
  3704: 'Ingress Filtering for Multihomed Networks',
  3927: 'Dynamic Configuration of IPv4 Link-Local Addresses',
  4291: 'IP Version 6 Addressing Architecture',
  4293: 'Management Information Base for IP',
  4302: 'IP Authentication Header',
  4443: 'ICMPv6',
  4632: 'Classless Inter-domain Routing',
  4821: 'Packetization Layer Path MTU Discovery',
  4861: 'Neighbor Discovery for IP version 6',
  4862: 'IPv6 Stateless Address Autoconfiguration',
  4884: 'Extended ICMP to Support Multi-Part Messages',
  4963: 'IPv4 Reassembly Errors at High Data Rates',
  5227: 'IPv4 Address Conflict Detection',
  5722: 'Handling of Overlapping IPv6 Fragments',
  5925: 'TCP Authentication Option',
  5927: 'ICMP Attacks against TCP',
  5952: 'A Recommendation for IPv6 Address Text Representation',
  6056: 'Recommendations for Transport-Protocol Port Randomization',
  6528: 'Defending against Sequence Number Attacks',
  6633: 'Deprecation of ICMP Source Quench Messages',
  6864: 'Updated Specification of the IPv4 ID Field',
  6943: 'Issues in Identifier Comparison for Security Purposes',
  7045: 'Transmission and Processing of IPv6 Extension Headers',
  7126: 'Recommendations on Filtering of IPv4 Packets Containing IPv4 Options',
  7323: 'TCP Extensions for High Performance',
  7413: 'TCP Fast Open',
  7739: 'Security Implications of Predictable Fragment Identification Values',
  8200: 'Internet Protocol, Version 6',
  8335: 'PROBE: A Utility for Probing Interfaces',
  9293: 'Transmission Control Protocol',
  9776: 'Internet Group Management Protocol, Version 3 (revised)',
};

interface Citation {
  readonly rfc: number;
  /** `3.2.1`, or '' for the RFC as a whole. */
  readonly section: string;
  /** `src/ip/input.ts:12`. */
  readonly place: string;
}

const TOKEN = /RFC ?(?<rfc>\d{3,5})|(?<other>\b(?:IEEE|VIRTIO|BCP|STD) ?[\d.]+)|§(?<section>[\dA-Z][\d.]*)/g;

export function citations(file: SourceFile): Citation[] {
  const found: Citation[] = [];
  const first = Number(/RFC ?(\d{3,5})/.exec(file.text)?.[1] ?? 0);
  let rfc = first;
  for (const [index, line] of file.lines.entries()) {
    // A line of code, or an empty one of a comment, ends the paragraph.
    if (/^[\s*/]*$/.test(line) || !/^\s*(?:\*|\/[/*])/.test(line)) rfc = first;
    const place = `${file.path}:${index + 1}`;
    const tokens = [...line.matchAll(TOKEN)];
    for (const [at, { groups }] of tokens.entries()) {
      if (groups?.other !== undefined) rfc = 0;
      if (groups?.rfc !== undefined) {
        rfc = Number(groups.rfc);
        if (tokens[at + 1]?.groups?.section === undefined) found.push({ rfc, section: '', place });
      }
      if (groups?.section !== undefined && rfc !== 0) {
        found.push({ rfc, section: groups.section.replace(/\.$/, ''), place });
      }
    }
  }
  return found;
}

export function rfcIndex(files: readonly SourceFile[]): string {
  const byRfc = new Map<number, Map<string, string[]>>();
  for (const file of files) {
    if (!/^(?:src\/.*\.ts|native\/.*\.[ch])$/.test(file.path)) continue;
    for (const { rfc, section, place } of citations(file)) {
      const sections = byRfc.get(rfc) ?? new Map<string, string[]>();
      byRfc.set(rfc, sections);
      sections.set(section, [...(sections.get(section) ?? []), place]);
    }
  }
  const lines = [
    '# RFC index',
    '',
    'Which section is met where, from the comments in the code. Made by `scripts/generate`; lines are as of then.',
  ];
  for (const [rfc, sections] of [...byRfc].sort(([a], [b]) => a - b)) {
    const title = TITLES[rfc];
    lines.push('', `## RFC ${rfc}${title === undefined ? '' : `: ${title}`}`, '');
    for (const [section, places] of [...sections].sort(([a], [b]) => compareSections(a, b))) {
      const unique = [...new Set(places)].map((place) => `\`${place}\``).join(', ');
      lines.push(`- ${section === '' ? 'cited' : `§${section}`}: ${unique}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

/** `3.2.10` after `3.2.9`, and the whole before its sections. */
function compareSections(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}
