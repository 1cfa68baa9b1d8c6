"""Study `recordings`: a user's recordings through RADICaL, with baselines."""
