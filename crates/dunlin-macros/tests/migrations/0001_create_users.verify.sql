-- dunlin: statement-timeout = 1min
SELECT count(*) = 0 FROM users;
