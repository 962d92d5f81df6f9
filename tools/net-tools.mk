# net-tools.mk - the other ends of the network that the tests use: rsyslog, Prometheus, socat; for test-long a
# browser. Unpacked under build/, not installed (tools/fetch-net-tools).

NET_TOOLS := build/net-tools/.ready
$(NET_TOOLS): tools/fetch-net-tools tools/apt-private tools/net-tools.mk
	$(Q)tools/fetch-net-tools build/net-tools rsyslog prometheus- socat && touch $@

# 100 MB: only the long tests look at the status page with it.
BROWSER := build/browser/.ready
# One after the other: both use the same state of apt.
$(BROWSER): tools/fetch-net-tools tools/apt-private | $(NET_TOOLS)
	$(Q)tools/fetch-net-tools build/browser chromium fonts-dejavu-core && touch $@

.PHONY: net-tools browser
net-tools: $(NET_TOOLS)
browser: $(BROWSER) ## fetch the browser that looks at the status page, build/browser

E2E_NEEDS += $(NET_TOOLS)
