-- What Neutron's own database tells, and the API doesn't.

-- Further hosts of a port (store/codec.rs): of a live migration, or of a distributed router. NULL: nowhere else.
ALTER TABLE ports ADD COLUMN elsewhere TEXT;

-- 1: Neutron deleted the network while it was connected. Nothing of it is programmed; the row goes with its last connection.
ALTER TABLE networks ADD COLUMN gone SMALLINT NOT NULL DEFAULT 0;

-- 1: read from Neutron's database, which alone may change it.
ALTER TABLE tunnel_endpoints ADD COLUMN sourced SMALLINT NOT NULL DEFAULT 0;
