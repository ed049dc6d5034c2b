ALTER TABLE tools ADD deposit_cents integer;
UPDATE tools SET deposit_cents = round(deposit::numeric * 100);
ALTER TABLE tools
    ALTER deposit_cents SET NOT NULL,
    ADD CONSTRAINT tools_deposit CHECK (deposit_cents BETWEEN 0 AND 50000),
    DROP deposit;
