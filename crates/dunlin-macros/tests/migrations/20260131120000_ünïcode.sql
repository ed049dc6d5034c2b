SELECT 'ü';
