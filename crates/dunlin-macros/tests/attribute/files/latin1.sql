INSERT INTO birds VALUES ('Alpenstrandläufer');
