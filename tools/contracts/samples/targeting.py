"""What targeting tells: its campaign, and what it decided for Anna."""

from shared.events import targeting as t
from tools.contracts.samples import story

EVENTS = (
    t.CampaignUpdated(
        **story.of(
            "targeting",
            f"{story.CAMPAIGN}:{story.version_of(story.CAMPAIGN_CHANGED)}",
            story.CAMPAIGN_CHANGED,
            t.Campaign(
                campaign_id=story.CAMPAIGN,
                version=story.version_of(story.CAMPAIGN_CHANGED),
                name="Spring recall",
                goal="recall",
                business_line="tea",
                status="active",
                channel="sms",
                template_id=story.TEMPLATE,
                attribution_days=14,
                starts_at=story.CAMPAIGN_CHANGED,
                ends_at=story.at("06-01T00:00:00"),
            ),
            subject=story.CAMPAIGN,
        )
    ),
    t.DecisionMade(
        **story.of(
            "targeting",
            story.DECISION,
            story.TICK,
            t.Decision(
                decision_id=story.DECISION,
                campaign_id=story.CAMPAIGN,
                campaign_version=story.version_of(story.CAMPAIGN_CHANGED),
                customer_id=story.ANNA,
                arm="treated",
                reasons=[],
                cause=story.CAUSE,
                caused_at=story.SILENT,
                decided_at=story.TICK,
                offer=t.Offer(
                    template_id=story.TEMPLATE,
                    channel="sms",
                    goal="recall",
                    priority=10,
                    attribution_days=14,
                    anti_harassment=True,
                    limit_per_customer=1,
                ),
                stage="silent",
                stage_since=story.SILENT,
                rule_versions={"campaign": story.version_of(story.CAMPAIGN_CHANGED), "lifecycle": 1},
            ),
        )
    ),
)
