/**
 * What TCP counts, under the names of `/proc/net/snmp` (Tcp) and `/proc/net/netstat` (TcpExt) with a small first
 * letter.
 */
export interface TcpCounters {
  readonly tcp: {
    activeOpens: number;
    passiveOpens: number;
    attemptFails: number;
    estabResets: number;
    /** In ESTABLISHED or CLOSE-WAIT now. */
    currEstab: number;
    inSegs: number;
    outSegs: number;
    retransSegs: number;
    inErrs: number;
    outRsts: number;
    inCsumErrors: number;
  };
  readonly tcpExt: {
    syncookiesSent: number;
    syncookiesRecv: number;
    syncookiesFailed: number;
    embryonicRsts: number;
    tw: number;
    twRecycled: number;
    pawsEstab: number;
    delayedAcks: number;
    listenOverflows: number;
    listenDrops: number;
    tcpPureAcks: number;
    tcpTimeouts: number;
    tcpDsackOldSent: number;
    tcpDsackOfoSent: number;
    tcpAbortOnData: number;
    tcpAbortOnClose: number;
    tcpAbortOnTimeout: number;
    tcpAbortOnLinger: number;
    tcpTimeWaitOverflow: number;
    tcpOfoQueue: number;
    tcpOfoDrop: number;
    tcpOfoMerge: number;
    tcpChallengeAck: number;
    tcpSynChallenge: number;
    tcpAckSkipped: number;
    tcpReqQFullDoCookies: number;
    tcpReqQFullDrop: number;
    tcpWinProbe: number;
    tcpKeepAlive: number;
    tcpToZeroWindowAdv: number;
    tcpFromZeroWindowAdv: number;
    tcpOrigDataSent: number;
    tcpSynRetrans: number;
    tcpRcvQDrop: number;
    tcpNoSlot: number;
  };
}

export function tcpCounters(): TcpCounters {
  return {
    tcp: {
      activeOpens: 0,
      passiveOpens: 0,
      attemptFails: 0,
      estabResets: 0,
      currEstab: 0,
      inSegs: 0,
      outSegs: 0,
      retransSegs: 0,
      inErrs: 0,
      outRsts: 0,
      inCsumErrors: 0,
    },
    tcpExt: {
      syncookiesSent: 0,
      syncookiesRecv: 0,
      syncookiesFailed: 0,
      embryonicRsts: 0,
      tw: 0,
      twRecycled: 0,
      pawsEstab: 0,
      delayedAcks: 0,
      listenOverflows: 0,
      listenDrops: 0,
      tcpPureAcks: 0,
      tcpTimeouts: 0,
      tcpDsackOldSent: 0,
      tcpDsackOfoSent: 0,
      tcpAbortOnData: 0,
      tcpAbortOnClose: 0,
      tcpAbortOnTimeout: 0,
      tcpAbortOnLinger: 0,
      tcpTimeWaitOverflow: 0,
      tcpOfoQueue: 0,
      tcpOfoDrop: 0,
      tcpOfoMerge: 0,
      tcpChallengeAck: 0,
      tcpSynChallenge: 0,
      tcpAckSkipped: 0,
      tcpReqQFullDoCookies: 0,
      tcpReqQFullDrop: 0,
      tcpWinProbe: 0,
      tcpKeepAlive: 0,
      tcpToZeroWindowAdv: 0,
      tcpFromZeroWindowAdv: 0,
      tcpOrigDataSent: 0,
      tcpSynRetrans: 0,
      tcpRcvQDrop: 0,
      tcpNoSlot: 0,
    },
  };
}
