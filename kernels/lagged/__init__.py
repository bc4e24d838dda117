"""Lagged passes: events are asked about and others are learnt in turns, in one call for all of them.

Where a label comes d events late and d is known, event i is asked about, then event i - d is learnt, and so on. Each
module has this loop for one kind of model. It calls the same functions as a batch of one does, with the same rows, so
that its answers and what is learnt are the same bits. `tocsin.models.experts.base.Expert.lagged` is the plain form.
"""
