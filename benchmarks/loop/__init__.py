"""What the loop, the page, the recorder and the policy server cost."""
