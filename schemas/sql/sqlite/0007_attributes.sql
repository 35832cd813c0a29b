-- What Neutron's clients keep of networks, subnets and ports, and switches know nothing of (store/attributes.rs).
--
-- `attributes`: a JSON object of those that are not at their defaults; NULL: all of them are, as those of most of a million
-- ports. `created_s`, `updated_s`: seconds since 1970; NULL: not known, because the row is older than these columns, or
-- is read from Neutron's database. `changed`: how often the row was written through the API.

ALTER TABLE networks ADD COLUMN attributes TEXT;
ALTER TABLE networks ADD COLUMN created_s BIGINT;
ALTER TABLE networks ADD COLUMN updated_s BIGINT;
ALTER TABLE networks ADD COLUMN changed BIGINT NOT NULL DEFAULT 0;

ALTER TABLE subnets ADD COLUMN attributes TEXT;
ALTER TABLE subnets ADD COLUMN created_s BIGINT;
ALTER TABLE subnets ADD COLUMN updated_s BIGINT;
ALTER TABLE subnets ADD COLUMN changed BIGINT NOT NULL DEFAULT 0;

ALTER TABLE ports ADD COLUMN attributes TEXT;
ALTER TABLE ports ADD COLUMN created_s BIGINT;
ALTER TABLE ports ADD COLUMN updated_s BIGINT;
ALTER TABLE ports ADD COLUMN changed BIGINT NOT NULL DEFAULT 0;

-- Nova and Ansible ask for the ports of a device. Ports that name none are not in the index.
CREATE INDEX ports_device ON ports (attributes ->> '$."device_id"') WHERE attributes ->> '$."device_id"' IS NOT NULL;

-- Ports that may speak for further MACs, of each network: few.
CREATE INDEX ports_pairs ON ports (network_id) WHERE address_pairs <> '';
