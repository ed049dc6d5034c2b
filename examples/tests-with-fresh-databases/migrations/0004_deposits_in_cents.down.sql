ALTER TABLE tools ADD deposit text;
UPDATE tools SET deposit = (deposit_cents / 100.0)::numeric(10, 2);
ALTER TABLE tools ALTER deposit SET NOT NULL, DROP deposit_cents;
