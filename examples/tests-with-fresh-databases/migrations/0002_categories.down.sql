ALTER TABLE tools DROP category;
DROP TABLE categories;
