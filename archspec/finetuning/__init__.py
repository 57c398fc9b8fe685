"""What a pretrained network goes on learning: freezing policies, their phases, and the prefix that stays frozen."""
