// SPDX-License-Identifier: GPL-2.0-only
/*
 * service/module/main.c - the driver of Pintle's PCI function, and the node /dev/kvm.
 *
 * The function tells that there is a Pintle below; there is one of it. It is not taken away while
 * the module is there, and the module stays while a descriptor of it is open.
 */
#include <linux/compat.h>
#include <linux/fs.h>
#include <linux/kvm.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pci.h>

#include "service/module/convert.h"
#include "service/module/events.h"
#include "service/module/shared.h"
#include "service/module/vm.h"

static const struct file_operations node_operations = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = system_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice node = {
	.minor = KVM_MINOR,
	.name = "kvm",
	.fops = &node_operations,
};

/* What Pintle counts, for those who look for leaks. */
static ssize_t vms_show(struct device *device, struct device_attribute *attribute, char *to)
{
	return sysfs_emit(to, "%ld\n", pintle_query(PINTLE_QUERY_VMS));
}
static DEVICE_ATTR_RO(vms);

static ssize_t pieces_show(struct device *device, struct device_attribute *attribute, char *to)
{
	return sysfs_emit(to, "%ld\n", pintle_query(PINTLE_QUERY_PIECES));
}
static DEVICE_ATTR_RO(pieces);

static ssize_t shared_show(struct device *device, struct device_attribute *attribute, char *to)
{
	return sysfs_emit(to, "%u\n", shared_pieces());
}
static DEVICE_ATTR_RO(shared);

static struct attribute *counts_attrs[] = {
	&dev_attr_vms.attr,
	&dev_attr_pieces.attr,
	&dev_attr_shared.attr,
	NULL,
};
ATTRIBUTE_GROUPS(counts);

static int ask_limits(struct device *device)
{
	long version = pintle_query(PINTLE_QUERY_VERSION);
	long xsave, khz, vcpus;

	if (version != PINTLE_VERSION_ABI) {
		dev_err(device, "Pintle speaks version %ld, this module %u\n", version,
			PINTLE_VERSION_ABI);
		return -ENODEV;
	}
	xsave = pintle_query(PINTLE_QUERY_XSAVE_SIZE);
	khz = pintle_query(PINTLE_QUERY_TSC_KHZ);
	vcpus = pintle_query(PINTLE_QUERY_VCPUS_MAX);
	if (vcpus <= 0 || xsave < 0 || xsave > PINTLE_PIECE / 2 || khz <= 0) {
		dev_err(device, "Pintle answers %ld, %ld, %ld\n", xsave, khz, vcpus);
		return -ENODEV;
	}
	limits.xsave_size = xsave;
	limits.bulk_pages = DIV_ROUND_UP(max_t(unsigned int, xsave, CONVERT_XSAVE_MIN), PAGE_SIZE);
	limits.tsc_khz = khz;
	limits.vcpus = min_t(long, vcpus, VM_VCPUS_MAX);
	return 0;
}

static int pintle_probe(struct pci_dev *function, const struct pci_device_id *id)
{
	int err = ask_limits(&function->dev);

	if (err) {
		return err;
	}
	err = pcim_enable_device(function);
	if (err) {
		return err;
	}
	pci_set_master(function); /* without it no MSI-X */
	err = events_start(function);
	if (err) {
		goto fail;
	}
	err = misc_register(&node);
	if (err) {
		dev_err(&function->dev, "no /dev/kvm: %d; is another KVM module loaded?\n", err);
		events_stop(function);
		goto fail;
	}
	return 0;
fail:
	shared_exit();
	return err;
}

static void pintle_remove(struct pci_dev *function)
{
	misc_deregister(&node);
	events_stop(function);
	shared_exit();
}

static const struct pci_device_id pintle_ids[] = {
	{PCI_DEVICE(PINTLE_PCI_VENDOR, PINTLE_PCI_DEVICE)},
	{},
};
MODULE_DEVICE_TABLE(pci, pintle_ids);

static struct pci_driver pintle_driver = {
	.name = "pintle",
	.id_table = pintle_ids,
	.probe = pintle_probe,
	.remove = pintle_remove,
	.dev_groups = counts_groups,
	.driver = {.suppress_bind_attrs = true},
};
module_pci_driver(pintle_driver);

MODULE_DESCRIPTION("/dev/kvm on the Pintle hypervisor");
MODULE_LICENSE("GPL");
