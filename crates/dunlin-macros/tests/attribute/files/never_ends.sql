SELECT 1;
INSERT INTO birds VALUES ('dunlin);
