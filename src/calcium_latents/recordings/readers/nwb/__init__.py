"""Parts of an NWB file: series of ROIs, their table and masks, planes, trials, behaviour and the session."""
