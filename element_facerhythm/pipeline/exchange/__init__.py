"""Results in the forms that people exchange: what there is, is it complete, copies under other names."""
