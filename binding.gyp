{
  # Builds build/Release/tapstack.node. Plain C against Node-API, so one binary loads on every Node from 20 on.
  'targets': [
    {
      'target_name': 'tapstack',
      'sources': [
        'native/module.c',
        'native/channel.c',
        'native/frame-header.c',
        'native/netlink.c',
        'native/netns.c',
        'native/packet-socket.c',
        'native/poll.c',
        'native/privilege.c',
        'native/tun.c',
      ],
      'defines': ['_GNU_SOURCE'],
      'cflags': ['-O2', '-Wall', '-Wextra'],
      'cflags_c': ['-std=gnu11'],
    },
  ],
}
