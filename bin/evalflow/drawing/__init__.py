"""Maps (domains and projections, rasters of fields, coastlines and borders, colours), and what all pages share."""
