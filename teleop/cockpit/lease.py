"""Who may drive: one page at a time."""

from dataclasses import dataclass


@dataclass
class Lease:
    """The driver lease. A page is known by a number of its connection."""

    holder: int | None = None
    grip: int = 0
    """Grows whenever the lease comes into other hands, so that a device must rest before it drives."""

    def take(self, page: int, *, steal: bool = False) -> bool:
        """Give the lease to a page; whether it has it then. Somebody else's is only taken away when that is said."""
        if self.holder is None or (steal and self.holder != page):
            self.holder = page
            self.grip += 1
        return self.holder == page

    def give(self, page: int) -> bool:
        """Take the lease from a page; whether it had it."""
        if self.holder != page:
            return False
        self.holder = None
        self.grip += 1
        return True
