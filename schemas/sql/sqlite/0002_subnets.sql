-- Subnets, and which of their addresses ports have: what Neutron's clients need to create ports. Switches know nothing of them.

CREATE TABLE subnets (
    id         VARCHAR(36)  NOT NULL PRIMARY KEY,
    network_id VARCHAR(36)  NOT NULL REFERENCES networks (id) ON DELETE CASCADE,
    name       VARCHAR(255) NOT NULL,
    tenant_id  VARCHAR(255) NOT NULL,
    cidr       VARCHAR(49)  NOT NULL,
    gateway_ip VARCHAR(45),                             -- NULL: none
    pools      TEXT         NOT NULL                    -- 10.0.0.2-10.0.0.254,…
);
CREATE INDEX subnets_network ON subnets (network_id);
CREATE INDEX subnets_name ON subnets (name);

-- `ip` in hexadecimal, 8 or 32 digits: its order is that of the addresses.
CREATE TABLE ip_allocations (
    subnet_id VARCHAR(36) NOT NULL REFERENCES subnets (id) ON DELETE CASCADE,
    ip        VARCHAR(32) NOT NULL,
    port_id   VARCHAR(36) NOT NULL REFERENCES ports (id) ON DELETE CASCADE,
    PRIMARY KEY (subnet_id, ip)
);
CREATE INDEX ip_allocations_port ON ip_allocations (port_id);

-- Clients find ports by name, among 100,000 and more.
CREATE INDEX ports_name ON ports (name);
