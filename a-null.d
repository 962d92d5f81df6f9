null.o: /dev/null kernel/base/net_config.h kernel/base/types.h
kernel/base/net_config.h:
kernel/base/types.h:
