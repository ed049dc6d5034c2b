0001_create_birds.verify.sql
-- Every statement must succeed, and every boolean must be true.
SELECT count(*) = 4 FROM birds;
