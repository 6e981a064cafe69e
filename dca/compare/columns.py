"""What the columns of the comparison's table mean."""

COLUMNS = {
    "run_id": "Run",
    "subject": "Subject label",
    "split": "train or validation: whether the model saw this subject",
    "setup": "What was decomposed: raw signals, dca features, or dca-signal, the model's reconstructions; "
    "-group: codes in one dictionary of all training runs, time courses of this run",
    "learnt_with": "run: the data of the run, or a model that knows its series one by one; design: runs of "
    "one design together (a dictionary of the group, or a model with train.target others). With design, p "
    "and the held-out scores are void if all runs share one order: they find it where there is no task",
    "event": "Event type",
    "atom": "Column of the dictionary (from 0) with the largest absolute correlation with the event",
    "sign": "1 or -1: what the atom is multiplied by to follow the event",
    "pcc": "Absolute Pearson correlation of that atom and the event's regressor. Uncorrected: biased upwards "
    "by the choice of the best of all atoms; judge it against null_mean and p",
    "null_mean": "Mean of the same best correlation over surrogate designs (over shifts, where null is "
    "shift+phase)",
    "null_sd": "Its standard deviation over surrogate designs",
    "null_p95": "Its 95th percentile",
    "p": "One-sided p-value, (1 + surrogates as large) / (1 + surrogates), not corrected over events; the "
    "larger of that by shifts and that by phases, where null is shift+phase",
    "p_phase": "p by random phases alone; n/a where null is order",
    "p_corrected": "p corrected over the events of this run and setup, by the distribution of their largest "
    "standardised value",
    "surrogates": "Number of surrogate designs behind p (shifts, where null is shift+phase)",
    "distinct": "Number of different regressors of this event among them; p stays near 1 / distinct or above",
    "null": "order: blocks in re-drawn order; shift+phase: circular shifts of the regressor and random "
    "phases, if orders are too few",
    "heldout_pcc": "Held out: atom and sign chosen on one half of the run, correlation in the other half, "
    "mean of both ways; about 0 by chance, n/a where a half has too little of the event",
    "heldout_p": "One-sided p of heldout_pcc among the same for surrogate designs (orders or shifts) that "
    "have the event in both halves",
    "heldout_r": "Held out: Pearson correlation over voxels of the map of the atom chosen on one half with "
    "the GLM's effect map of the other half, mean of both ways",
    "heldout_r_null": "Mean of heldout_r over surrogate designs, each with its own effect maps",
    "heldout_r_p": "One-sided p of heldout_r among these",
    "others_r": "Pearson correlation over voxels of the chosen atom's map, times sign, with the mean z map "
    "of the event over all other runs; n/a if none lies on the same grid of a template",
    "others_r_null": "Mean of the same for atoms chosen by surrogate designs",
    "others_r_p": "One-sided p of others_r among these",
    "others": "Number of other runs",
    "spatial_r": "Pearson correlation over voxels of the atom's map, times sign, and the z map of the same "
    "run. Descriptive: an atom chosen by the design maps like it",
    "dice": "Dice overlap of voxels with z > 3.1 and as many of the atom's strongest voxels; n/a if none "
    "passes. Descriptive, as spatial_r",
}
