-- Rights of the workers' user on its own schemas and no others; run by the MySQL image when it makes the database.
-- Whoever chooses another FACERHYTHM_DB_PREFIX changes it here as well.
GRANT ALL PRIVILEGES ON `facerhythm\_%`.* TO 'facerhythm'@'%';
