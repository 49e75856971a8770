"""Cinder's quotas. Exceeding one is a 413 with the exception's class name in the message."""

from coriolis_lab.openstack.cloud import Cloud
from coriolis_lab.openstack.web import ApiError


def used(cloud: Cloud, project_id: str) -> dict[str, int]:
    """Snapshots count as gigabytes too (Cinder's no_snapshot_gb_quota is off)."""
    volumes = [v for v in cloud.volumes.values() if v.project_id == project_id]
    snapshots = [s for s in cloud.snapshots.values() if s.project_id == project_id]
    gigabytes = sum(v.size for v in volumes) + sum(s.size for s in snapshots)
    backups = [b for b in cloud.backups.values() if b.project_id == project_id]
    return {
        "volumes": len(volumes),
        "snapshots": len(snapshots),
        "gigabytes": gigabytes,
        "backups": len(backups),
        "backup_gigabytes": sum(b.size for b in backups),
    }


def check_backup(cloud: Cloud, project_id: str, gigabytes: int) -> None:
    limits, now_used = cloud.quota(project_id).volume, used(cloud, project_id)
    if 0 <= limits["backups"] < now_used["backups"] + 1:
        words = f"Maximum number of backups allowed ({limits['backups']}) exceeded"
        raise _over("BackupLimitExceeded", words)
    if 0 <= limits["backup_gigabytes"] < now_used["backup_gigabytes"] + gigabytes:
        raise _over(
            "VolumeBackupSizeExceedsAvailableQuota",
            f"Requested backup exceeds allowed Backup gigabytes quota. Requested {gigabytes}G, quota is "
            f"{limits['backup_gigabytes']}G and {now_used['backup_gigabytes']}G has been consumed.",
        )


def check(cloud: Cloud, project_id: str, *, gigabytes: int, volumes: int = 0, snapshots: int = 0) -> None:
    limits, now_used = cloud.quota(project_id).volume, used(cloud, project_id)
    if 0 <= limits["gigabytes"] < now_used["gigabytes"] + gigabytes:
        raise _over(
            "VolumeSizeExceedsAvailableQuota",
            "Requested volume or snapshot exceeds allowed gigabytes quota. "
            f"Requested {gigabytes}G, quota is {limits['gigabytes']}G "
            f"and {now_used['gigabytes']}G has been consumed.",
        )
    if 0 <= limits["volumes"] < now_used["volumes"] + volumes:
        words = f"Maximum number of volumes allowed ({limits['volumes']}) exceeded for quota 'volumes'."
        raise _over("VolumeLimitExceeded", words)
    if 0 <= limits["snapshots"] < now_used["snapshots"] + snapshots:
        words = f"Maximum number of snapshots allowed ({limits['snapshots']}) exceeded"
        raise _over("SnapshotLimitExceeded", words)


def _over(kind: str, words: str) -> ApiError:
    return ApiError(413, f"{kind}: {words}", kind, {"Retry-After": "0"})
