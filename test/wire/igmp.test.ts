import * as fc from 'fast-check';
import t from 'tap';
import { Drop, dropName } from '../../src/base/drop.ts';
import * as igmp from '../../src/wire/igmp.ts';
import { RecordType, Type } from '../../src/wire/igmp.ts';
import { AT, blank, ip, SEED, toHex, view, viewOf } from './bytes.ts';
import { FRAMES, L3 } from './frames.ts';

const IGMP = AT + L3 + 24;

t.test('version 2 messages of a foreign host (RFC 2236 §2)', (t) => {
  const report = view(FRAMES.igmpV2Report);
  t.equal(igmp.check(report, IGMP, report.byteLength), Drop.None);
  t.same([igmp.type(report, IGMP), igmp.group(report, IGMP)], [Type.ReportV2, ip('225.1.2.5')]);
  const leave = blank(8);
  t.equal(igmp.write(leave, AT, Type.Leave, 0, ip('225.1.2.5')), AT + 8);
  t.equal(toHex(leave), toHex(view(FRAMES.igmpLeave), IGMP));
  t.equal(igmp.checksum(leave, AT), 0x05f9);
  t.end();
});

t.test('a version 3 report of a foreign host, record by record (RFC 9776 §4.2)', (t) => {
  const report = view(FRAMES.igmpV3Report);
  t.equal(igmp.check(report, IGMP, report.byteLength), Drop.None);
  t.equal(igmp.recordCount(report, IGMP), 2);
  const first = igmp.firstRecord(IGMP);
  t.equal(igmp.recordType(report, first), RecordType.AllowNewSources);
  t.equal(igmp.recordGroup(report, first), ip('225.1.2.4'));
  t.equal(igmp.recordSourceCount(report, first), 1);
  t.equal(igmp.recordSource(report, first, 0), ip('10.1.1.1'));
  const second = igmp.nextRecord(report, first);
  t.equal(igmp.recordType(report, second), RecordType.ChangeToExclude);
  t.equal(igmp.recordGroup(report, second), ip('225.1.2.3'));
  t.equal(igmp.nextRecord(report, second), report.byteLength);
  t.end();
});

t.test('a version 3 report is written as a foreign host writes it', (t) => {
  const report = blank(28);
  let end = igmp.writeReport3(report, AT);
  const record = end;
  end = igmp.appendRecord(report, AT, record, RecordType.AllowNewSources, ip('225.1.2.4'));
  end = igmp.appendRecordSource(report, record, end, ip('10.1.1.1'));
  end = igmp.appendRecord(report, AT, end, RecordType.ChangeToExclude, ip('225.1.2.3'));
  igmp.fillChecksum(report, AT, end);
  t.equal(toHex(report), toHex(view(FRAMES.igmpV3Report), IGMP));
  t.end();
});

t.test('a version 3 query with sources (RFC 9776 §4.1)', (t) => {
  const query = blank(20);
  let end = igmp.writeQuery3(query, AT, 100, ip('225.1.2.3'), true, 2, 125);
  t.equal(end, AT + igmp.QUERY3_BYTES);
  t.equal(igmp.check(query, AT, end), Drop.None);
  igmp.appendSource(query, AT, ip('10.1.1.1'));
  end = igmp.appendSource(query, AT, ip('10.1.1.2'));
  igmp.fillChecksum(query, AT, end);
  t.equal(toHex(query, AT, AT + 2) + toHex(query, AT + 4), '1164e10102030a7d00020a0101010a010102');
  t.equal(igmp.check(query, AT, end), Drop.None);
  t.equal(igmp.check(query, AT, end - 4), Drop.IgmpChecksum);
  t.same([igmp.isSuppress(query, AT), igmp.qrv(query, AT), igmp.queryInterval(query, AT)], [true, 2, 125]);
  t.same([igmp.sourceCount(query, AT), igmp.source(query, AT, 1)], [2, ip('10.1.1.2')]);
  t.end();
});

t.test('a record with several sources', (t) => {
  const report = blank(24);
  const record = igmp.writeReport3(report, AT);
  let end = igmp.appendRecord(report, AT, record, RecordType.BlockOldSources, ip('225.1.2.3'));
  end = igmp.appendRecordSource(report, record, end, ip('10.1.1.1'));
  end = igmp.appendRecordSource(report, record, end, ip('192.168.1.2'));
  t.equal(end, AT + 24);
  t.equal(toHex(report), '220000000000000106000002e10102030a010101c0a80102');
  t.equal(igmp.recordSource(report, record, 1), ip('192.168.1.2'));
  t.end();
});

t.test('which version a query is, and how long its answer may take (RFC 9776 §7.1)', (t) => {
  const query = blank(12);
  igmp.write(query, AT, Type.Query, 0, 0);
  t.same([igmp.queryVersion(query, AT, AT + 8), igmp.maxRespTenths(query, AT, AT + 8)], [1, 100]);
  igmp.write(query, AT, Type.Query, 200, 0);
  t.same([igmp.queryVersion(query, AT, AT + 8), igmp.maxRespTenths(query, AT, AT + 8)], [2, 200]);
  igmp.writeQuery3(query, AT, 200, 0, false, 2, 125);
  t.same([igmp.queryVersion(query, AT, AT + 12), igmp.maxRespTenths(query, AT, AT + 12)], [3, 200]);
  t.equal(igmp.maxRespCode(query, AT), 0x89);
  t.same([igmp.isSuppress(query, AT), igmp.qrv(query, AT), query.getUint8(AT + 8)], [false, 2, 2]);
  t.equal(igmp.checksum(view('2200fedc00000000'), AT), 0xfedc);
  t.end();
});

t.test('codes of large values are floats (RFC 9776 §4.1.1)', (t) => {
  t.same([igmp.encode(127), igmp.encode(128), igmp.encode(135)], [127, 0x80, 0x80]);
  t.same([0, 127, 0x80, 0x8f, 0x90, 0xff].map(igmp.decode), [0, 127, 128, 248, 256, 31_744]);
  for (let value = 0; value < 32_000; value++) {
    const code = igmp.encode(value);
    const isLargest = code === 0xff || igmp.decode(code + 1) > value;
    if (igmp.decode(code) > value || !isLargest) t.fail(`${value} became ${code}`);
  }
  t.end();
});

const FAULTS: readonly (readonly [name: string, hex: string, want: Drop])[] = [
  ['7 octets', '1600080000000000'.slice(2), Drop.IgmpTruncated],
  ['checksum', '16000000e1010205', Drop.IgmpChecksum],
  ['query of 10 octets is ignored', '1164ee9b00000000 0000', Drop.IgmpTruncated],
  ['query with fewer sources than it says', '1164ed1d00000000 017d 0001', Drop.IgmpTruncated],
  ['query with more octets than it needs', '1164ed1e00000000 017d 0000 0000', Drop.None],
  ['report with fewer records than it says', '2200ddfe00000001', Drop.IgmpTruncated],
  ['report whose record has too few sources', '2200f9f800000001 01000001e1010203', Drop.IgmpTruncated],
  [
    'report whose record has too little auxiliary data',
    '2200f9f800000001 01010000e1010203',
    Drop.IgmpTruncated,
  ],
  ['unknown type with a good checksum', '9900 66ff 00000000', Drop.None],
];

t.test('messages that are refused', (t) => {
  for (const [name, hex, want] of FAULTS) {
    const packet = view(hex);
    t.equal(dropName(igmp.check(packet, AT, packet.byteLength)), dropName(want), name);
  }
  t.end();
});

t.test('a report that passes can be walked to its last source', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 8, maxLength: 60 }), fc.nat(3), (bytes, count) => {
      const packet = viewOf(bytes);
      packet.setUint8(AT, Type.ReportV3);
      packet.setUint16(AT + 6, count);
      for (let i = AT + 8; i + 8 <= packet.byteLength; i += 12) packet.setUint32(i, (i % 3) | 0x01000000);
      igmp.fillChecksum(packet, AT, packet.byteLength);
      if (igmp.check(packet, AT, packet.byteLength) !== Drop.None) return true;
      let record = igmp.firstRecord(AT);
      for (let i = 0; i < igmp.recordCount(packet, AT); i++) {
        for (let s = 0; s < igmp.recordSourceCount(packet, record); s++) igmp.recordSource(packet, record, s);
        record = igmp.nextRecord(packet, record);
      }
      return record <= packet.byteLength;
    }),
    SEED,
  );
  t.end();
});
