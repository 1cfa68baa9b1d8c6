"""A user's file as a Recording: `read_user_file` takes an entry of config/recordings.yaml.

Fields of an entry that are read here (others are for later steps):

- `file`: path, relative to the base directory; a folder for suite2p and for Minian's zarr.
- `format`: the name of a module of `formats`; by default it is told from the file (auto). NETCAL's exports are known
  by their header "time (s)" (.csv) or the ending .txt; a .mat file of NETCAL's traces needs `format: netcal`.
- `key`: name of the matrix, or of the NWB series or of its planes' container, where the file has several.
- `sampling_rate_hz`: imaging frames per second, where the file does not say.
- `orientation`: "neurons x frames" or "frames x neurons" (arrays, NETCAL's .mat files without times, NWB).
- `mask_axes`: "x y" or "y x", of the ROIs' masks in an NWB file, where who wrote it does not tell.
- `is_dff`: whether the traces are dF/F; else they are made so (neuropil, running baseline).
- `neuropil`: coefficient (default: that of suite2p's run, else 0.7; 0 or false: off); for arrays a mapping of `key` and
  `coefficient`.
- `neurons`: by default those that the file says are accepted; all (of NWB files, rejected ones, too), usable (see
  `selection`; attribute `left_out` says which are not), or a list of numbers, in NWB files the ROIs' ids.
- `sample_offsets`: none, from_positions, or a .npy file [neuron in file] in s after the start of the frame.
  Default: from_positions for suite2p, whose positions are known to be lines of the scan; for other NWB files whose
  planes have their own times, these; else none.
- `behaviour`: a CSV file with a column time_s and signals at any rate, units in the names of columns
  (running_speed_cm_s), where the recording's own file has none; see `behaviour_table.read_behaviour`.
- `bin_width_s`, `windows`, `trials`: how to cut; see `window_options`.

Fields that the workflow reads:

- `studies`: which take the recording by itself, of recordings (RADICaL), cross_encoder and avae; default all; []: only
  the data sets of avae that name it.
- `optional`: leave the recording out where its file is missing.
- `chunk_s`, `buffer_s`: of the cross-encoder's split of spontaneous activity (default 10 and 2).
- `response_window_s`: the cross-encoder takes mean responses in this window after the onsets in `trials`, a CSV file
  with columns start_s and condition, each condition at least twice; without it, spontaneous activity.
"""

from calcium_latents.recordings.readers.cascade import GroundTruth, ground_truth_recording, read_cascade
from calcium_latents.recordings.readers.cutting import window_options
from calcium_latents.recordings.readers.entry import read_user_file

__all__ = ["GroundTruth", "ground_truth_recording", "read_cascade", "read_user_file", "window_options"]
