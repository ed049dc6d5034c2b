-- dunlin: lock-timeout = 2s
CREATE TABLE users (name text DEFAULT 'ä');
