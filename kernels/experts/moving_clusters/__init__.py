"""Moving clusters: labelled events as clouds whose centres move, each at a velocity of its own.

Everything is measured in standard deviations of the columns, of which d have varied. A cluster has a class, a centre,
a velocity, in each column the covariance P of these two, a mean squared radius a theta, and a share s.

**Likelihood** (`density`). With the distance r from where the centre is expected by now, r^2 of a cluster's events has
a gamma distribution. Its shape a is common to all clusters, its scale theta the cluster's own. All directions are alike
in a norm; N is r^2 or the squared maximum norm, whichever has had the lower log loss of late. The log likelihood is

    ln s + a ln(r^2 + D) - (d / 2) ln(N + D) - a ln theta - r^2 / theta

up to a constant. With a = d / 2 and N = r^2 that is a Gaussian; with a smaller a the density has a peak at the centre.
The variance p of the centre, summed over the columns, blurs the peak: D = (.1 p)^2 / (.1 p + r^2).

**Motion** (`motion`). Every cluster of the event's class learns it as far as it is the cluster's, by a Kalman filter
with constant velocity in each column. The noise of the event is not known, as its radius rho is not. So the mean and
the variance of the gain are taken over a grid of rho^2, where the distance in one column has the variance
(p + rho^2) / d. The filter runs under two hypotheses, that the velocity stayed and that it turned. Their moments are
merged by how likely each makes the event (Bar-Shalom, Li and Kirubarajan 2001, "Estimation with Applications to
Tracking and Navigation", chapter 11).

**Births** (`births`). Two events of one class that are near one another begin a cluster at their middle where no
cluster of the class explains the later one as well. It takes the place of the cluster with the lowest share.

`reference` says the same in plain numpy, with matrices and one cluster after the other.
"""
