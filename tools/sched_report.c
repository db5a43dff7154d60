/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tools/sched_report.c - plots from the scheduler's simulation, as SVG: the share that was asked
 * and the one that was got, and how long a wake-up takes. `make sched-report` writes them to
 * build/.
 */
#include "tests/unit/fake.h"
#include "tests/unit/sched_sim.h"

#include <math.h>

#define SIDE   560.0 /* of a plot, with a margin around it */
#define MARGIN 70.0

static const char *const names[] = {"batch", "normal", "prompt"};
static const char *const colours[] = {"#888", "#06c", "#c30"};

/* Plots with logarithmic axes from 10^low on, so many decades. */
struct plot {
	FILE *file;
	double low[2], decades[2];
};

static double place(const struct plot *plot, unsigned axis, double value)
{
	double part = (log10(value) - plot->low[axis]) / plot->decades[axis] * SIDE;
	part = part < 0 ? 0 : part > SIDE ? SIDE : part;
	return axis == 0 ? MARGIN + part : MARGIN + SIDE - part;
}

static void plot_begin(
	struct plot *plot, const char *path, const char *title, const char *x, const char *y)
{
	double whole = SIDE + 2 * MARGIN;

	plot->file = fopen(path, "w");
	if (plot->file == NULL) {
		perror(path);
		exit(1);
	}
	fprintf(plot->file,
		"<svg xmlns='http://www.w3.org/2000/svg' width='%.0f' height='%.0f' "
		"font-family='sans-serif' font-size='13'>\n<rect width='100%%' height='100%%' "
		"fill='white'/>\n<text x='%.0f' y='30' text-anchor='middle' font-size='16'>%s</text>\n"
		"<text x='%.0f' y='%.0f' text-anchor='middle'>%s</text>\n"
		"<text x='20' y='%.0f' text-anchor='middle' transform='rotate(-90 20 %.0f)'>%s</text>\n",
		whole, whole, whole / 2, title, whole / 2, whole - 15, x, whole / 2, whole / 2, y);
	for (unsigned axis = 0; axis < 2; axis++) {
		for (double d = 0; d <= plot->decades[axis]; d++) {
			double value = pow(10, plot->low[axis] + d);
			double at = place(plot, axis, value);
			double x1 = axis == 0 ? at : MARGIN, y1 = axis == 0 ? MARGIN : at;
			double x2 = axis == 0 ? at : MARGIN + SIDE,
			       y2 = axis == 0 ? MARGIN + SIDE : at;
			fprintf(plot->file,
				"<line x1='%.1f' y1='%.1f' x2='%.1f' y2='%.1f' stroke='#ddd'/>\n"
				"<text x='%.1f' y='%.1f' text-anchor='%s'>%g</text>\n",
				x1, y1, x2, y2, axis == 0 ? at : MARGIN - 6,
				axis == 0 ? MARGIN + SIDE + 18 : at + 4,
				axis == 0 ? "middle" : "end", value);
		}
	}
}

static void plot_end(struct plot *plot, const char *path)
{
	fprintf(plot->file, "</svg>\n");
	fclose(plot->file);
	printf("%s\n", path);
}

/* Four CPUs, 8 vCPUs for each, weights from 10 to 2000, every fourth with a cap, ten seconds. */
static void shares(const char *path)
{
	struct plot plot = {.low = {-3, -3}, .decades = {3, 3}};
	struct sim sim;
	double sum = 0, worst = 0;

	plot_begin(&plot, path, "Share asked and share got, 32 vCPUs on 4 CPUs, 10 s",
		"asked: CPUs", "got: CPUs");
	fprintf(plot.file, "<line x1='%f' y1='%f' x2='%f' y2='%f' stroke='#aaa'/>\n", MARGIN,
		MARGIN + SIDE, MARGIN + SIDE, MARGIN);
	sim_begin(&sim, 4, 32, 1);
	for (unsigned i = 0; i < sim.vcpus; i++) {
		struct sched_params params = {.weight = (uint32_t)(10 * pow(200, i / 31.0))};
		params.latency = (enum sched_latency)(i % 3);
		params.cap = i % 8 == 3 ? 1 + i / 4 : 0;
		sim_affinity(&params, 15);
		sim_wake(&sim, i);
		sim_set(&sim, i, &params);
		sum += params.cap != 0 ? 0 : params.weight;
	}
	sim_run(&sim, sim.now + SECOND, UINT64_MAX);
	uint64_t before[32];
	for (unsigned i = 0; i < sim.vcpus; i++) {
		before[i] = sim.vcpu[i].fair;
	}
	sim_run(&sim, sim.now + 10 * SECOND, UINT64_MAX);
	double left = 4, taken[32];
	bool bound[32] = {false}; /* by its cap, or by the one CPU that it can be on */
	for (unsigned pass = 0; pass < 32; pass++) {
		for (unsigned i = 0; i < sim.vcpus; i++) {
			const struct sched_params *params = &sim.vcpu[i].entity.params;
			double most = params->cap != 0 ? params->cap / 100.0 : 1;
			double weight = params->weight;
			if (pass == 0 && params->cap != 0) {
				sum += weight;
			}
			if (!bound[i] && left * weight / sum > most) {
				bound[i] = true;
				taken[i] = most;
				left -= most;
				sum -= weight;
			}
		}
	}
	for (unsigned i = 0; i < sim.vcpus; i++) {
		const struct sched_params *params = &sim.vcpu[i].entity.params;
		double asked = bound[i] ? taken[i] : left * params->weight / sum;
		double got = (double)(sim.vcpu[i].fair - before[i]) / 1e10;
		worst = fabs(got / asked - 1) > worst ? fabs(got / asked - 1) : worst;
		fprintf(plot.file,
			"<circle cx='%.1f' cy='%.1f' r='4' fill='%s'><title>%.4f %.4f</title></circle>\n",
			place(&plot, 0, asked), place(&plot, 1, got),
			params->cap ? "#2a2" : colours[i % 3], asked, got);
	}
	fprintf(plot.file,
		"<text x='%f' y='%f'>grey, blue, red: batch, normal, prompt; green: with a cap. "
		"Furthest off: %.1f %%</text>\n",
		MARGIN, MARGIN - 10, worst * 100);
	sim_end(&sim);
	plot_end(&plot, path);
}

static int by_size(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;
	return (left > right) - (left < right);
}

/* A sleeper of each class among 8 hogs for each CPU: the part of the wake-ups that took longer. */
static void latency(const char *path)
{
	enum { WAKES = 3000 };
	struct plot plot = {.low = {0, -3}, .decades = {5, 3}};

	plot_begin(&plot, path, "Wake-up latency among 16 hogs on 2 CPUs",
		"microseconds until it runs", "part of the wake-ups that took longer");
	for (unsigned class = 0; class < SCHED_LATENCY_COUNT; class ++) {
		double *late = calloc(WAKES, sizeof(*late));
		struct sim sim;
		sim_begin(&sim, 2, 17, class + 1);
		for (unsigned i = 0; i < 17; i++) {
			struct sched_params params = sim.vcpu[i].entity.params;
			params.latency = i == 0 ? (enum sched_latency) class : SCHED_NORMAL;
			sim_set(&sim, i, &params);
			sim_wake(&sim, i);
		}
		struct sim_vcpu *v = &sim.vcpu[0];
		v->hog = false;
		v->run_min = 20000;
		v->run_max = 1000000;
		v->sleep_min = MS;
		v->sleep_max = 30 * MS;
		for (unsigned n = 0; n < WAKES; n++) {
			uint64_t sum = v->latency_sum, wakes = v->wakes;
			while (v->wakes == wakes) {
				sim_run(&sim, sim.now + MS / 2, UINT64_MAX);
			}
			late[n] =
				(double)(v->latency_sum - sum) / 1000 / (double)(v->wakes - wakes);
		}
		qsort(late, WAKES, sizeof(*late), by_size);
		fprintf(plot.file, "<polyline fill='none' stroke-width='2' stroke='%s' points='",
			colours[class]);
		for (unsigned n = 0; n < WAKES; n++) {
			fprintf(plot.file, "%.1f,%.1f ", place(&plot, 0, late[n] > 1 ? late[n] : 1),
				place(&plot, 1, 1 - n / (double)WAKES));
		}
		fprintf(plot.file,
			"'/>\n<text x='%f' y='%f' fill='%s'>%s: median %.0f us, 99 %%: %.0f us, "
			"most %.0f us</text>\n",
			MARGIN + 10, MARGIN + SIDE - 50 + 18 * class, colours[class], names[class],
			late[WAKES / 2], late[WAKES * 99 / 100], late[WAKES - 1]);
		free(late);
		sim_end(&sim);
	}
	plot_end(&plot, path);
}

int main(void)
{
	shares("build/sched-shares.svg");
	latency("build/sched-latency.svg");
	return 0;
}
