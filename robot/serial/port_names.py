"""Where a robot's serial port has gone: a device that was unplugged may come back under another name."""

from pathlib import Path

from serial.tools import list_ports

STAYS = "a name under /dev/serial/by-id stays the same"


def whereabouts(port: str, serial: str = "") -> str:
    """What became of a port that is not there any more; empty while it is there.

    `serial` is the serial number of the robot's USB device, as its calibration keeps it; empty where unknown.
    """
    if Path(port).exists():
        return ""
    found = list_ports.comports()
    same = [each.device for each in found if serial and each.serial_number == serial]
    if same:
        return f"there is no port {port}; the same robot is {same[0]} now: give --port {same[0]} ({STAYS})"
    if found:
        return f"there is no port {port}; ports here: {', '.join(each.device for each in found)}; give --port ({STAYS})"
    return f"there is no port {port}, and no other one; plug the robot in"
