DROP TRIGGER announce_return ON loans;
DROP FUNCTION announce_return();
DROP TABLE waiting;
