-- What switches tell, and what follows from it for the compute nodes: it outlives restarts and lost sessions.

-- Where switches are reached: Physical_Switch.tunnel_ips, and what Mcast_Macs_Local says for single networks.
CREATE TABLE switch_vteps (
    switch     VARCHAR(255) NOT NULL,                   -- Physical_Switch.name
    network_id VARCHAR(36)  NOT NULL,                   -- '': tunnel_ips
    vteps      TEXT         NOT NULL,                   -- 192.0.2.1,192.0.2.2
    PRIMARY KEY (switch, network_id)
);

-- Ucast_Macs_Local of all switches.
CREATE TABLE learned_macs (
    network_id VARCHAR(36)  NOT NULL,
    mac        BIGINT       NOT NULL,
    switch     VARCHAR(255) NOT NULL,
    vtep       VARCHAR(45)  NOT NULL,
    ips        TEXT         NOT NULL,                   -- 10.0.0.5,2001:db8::5
    learned_ms BIGINT       NOT NULL,
    PRIMARY KEY (network_id, mac, switch)
);

-- Which switch of a gateway stands for it on a network.
CREATE TABLE gateway_elections (
    gateway_id VARCHAR(36)  NOT NULL,
    network_id VARCHAR(36)  NOT NULL,
    forwarder  VARCHAR(255),                            -- NULL: none for now
    eligible   TEXT         NOT NULL,                   -- ["tor-switch-1","tor-switch-2"]
    PRIMARY KEY (gateway_id, network_id)
);

-- Gateways whose learned MACs were all withdrawn.
CREATE TABLE gateway_idle (
    gateway_id VARCHAR(36) NOT NULL,
    network_id VARCHAR(36) NOT NULL,
    since_ms   BIGINT      NOT NULL,
    has_left   SMALLINT    NOT NULL,                    -- 1: nobody floods to it
    PRIMARY KEY (gateway_id, network_id)
);
